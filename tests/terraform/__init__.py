"""The cloud's stack: applied and taken down on a stand-in of the provider, and compared with the code."""
