"""The cloud's stack: planned, applied and taken down on a stand-in of the google provider, and compared with the code."""
