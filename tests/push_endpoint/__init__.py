"""Tests of receiving Pub/Sub pushes."""
