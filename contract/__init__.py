"""What crosses the topics: crawls, jobs, push envelopes and outcomes.

Pure: no network, no clock, no environment. Both services and the console speak only through it.
"""
