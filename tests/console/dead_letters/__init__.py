"""Tests of the work with dead letters."""
