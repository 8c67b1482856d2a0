"""Writes the messages of the ledger's subscriptions into the tables of the ledger (contract/ledger/)."""
