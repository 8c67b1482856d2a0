"""Tests of the demo and its site."""
