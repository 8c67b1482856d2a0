"""The server's API: gRPC methods, REST routes and the state page."""
