"""Tests of the tables and the progress display."""
