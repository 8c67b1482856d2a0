"""The operator's desk: the `scrapeq` command, the whole of Scrapeq on a laptop, and the ledger read aloud.

Nothing here is in the path of a job: it starts the services, feeds them, and shows what came of it.
"""
