"""Tests of how operators cancel, pause and resume."""
