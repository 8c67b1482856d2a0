"""The API as clients see it: gRPC methods, REST routes and the state page."""
