"""The subcommands of scrapeq."""
