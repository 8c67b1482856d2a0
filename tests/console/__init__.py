"""The console: the command, the local stack, the ledger and the demo."""
