"""Tests the repository itself: imports between packages, purity, names, documentation and lock files."""
