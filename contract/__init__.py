"""Defines the data that the services and the console exchange: crawls, jobs, outcomes, and the ledger's SQL.

Pure: it uses no network, clock, environment or parser of pages.
"""
