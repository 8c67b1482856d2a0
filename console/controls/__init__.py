"""Cancels runs, and pauses and resumes runs, hosts or everything."""
