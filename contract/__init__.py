"""The messages that cross the topics: crawls, jobs and outcomes, and the ledger's SQL.

Pure: no network, clock or environment, and no parser of pages. The services and the console exchange nothing
    else.
"""
