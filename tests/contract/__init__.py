"""Tests of the package contract. They use no network, no clock and no test doubles."""
