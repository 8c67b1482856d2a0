"""Tables and progress display of the ledger's reports."""
