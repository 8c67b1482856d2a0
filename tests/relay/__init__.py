"""Tests of the relay: the same promises for each broker, and its own parts."""
