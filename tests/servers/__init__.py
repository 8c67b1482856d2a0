"""What the tests of several packages share: servers, processes, recorders, and waiting for a fact."""
