"""Shows the ledger's data: tables, and the progress of a run."""
