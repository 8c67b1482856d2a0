"""Errors that `scrapeq` reports as a message without a stack trace, by whose fault they are.

::

    ConsoleError         the message goes to standard error
    ├── UsageError       the operator's: an option, a file or a name is wrong (exit status 2)
    ├── LedgerError      the ledger holds no such run, or there is no ledger (1)
    ├── DispatchError    the dispatcher refused the crawl or could not be reached (1)
    ├── ReplayError      Pub/Sub failed; jobs without a confirmation stay dead letters (1)
    ├── PageNotFetched   the site or its robots.txt: `scrapeq try` got no page (1)
    └── StackError       a local service did not start, or localpubsub has ended (1)

These do not derive from `click.ClickException`: typer carries a private copy of click and catches the
exceptions of that copy only (seen with typer 0.29).
"""


class ConsoleError(Exception):
    """An error whose message tells the operator what to do.

    Attributes:
        exit_status: exit status of the command.
    """

    exit_status = 1


class UsageError(ConsoleError):
    """The command cannot be run with these options, files or names."""

    exit_status = 2


class LedgerError(ConsoleError):
    """The ledger does not exist or has no such run."""


class DispatchError(ConsoleError):
    """The crawl did not reach a dispatcher, or the dispatcher refused it."""


class ReplayError(ConsoleError):
    """Pub/Sub did not confirm the replay of a dead letter."""


class PageNotFetched(ConsoleError):
    """The page could not be fetched; a worker would have failed for the same reason."""


class StackError(ConsoleError):
    """A local service did not start, or localpubsub, which all others need, has ended."""
