"""Tests of the roll-out: the Cloud Build files, the smoke test and the deployment guide."""
