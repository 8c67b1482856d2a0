"""Defines the errors that `scrapeq` reports as a message without a stack trace.

::

    ConsoleError         the message goes to standard error
    ├── UsageError       an option, a file or a name is wrong (exit status 2)
    ├── BrokerError      the broker cannot be reached, or its queues are missing or unsuitable (1)
    ├── LedgerError      the ledger does not exist or does not contain the run (1)
    ├── DispatchError    the dispatcher refused the crawl or could not be reached (1)
    ├── ControlError     Pub/Sub failed while a run, a host or all were cancelled, paused or resumed (1)
    ├── NoPubsubError    the stack has another broker, which cannot do what the command needs (1)
    ├── ReplayError      Pub/Sub failed; jobs whose publish was not confirmed are still dead letters (1)
    ├── PubsubAccessError    there are no credentials for Pub/Sub (1)
    ├── PageNotFetched   `scrapeq try` could not fetch the page, for example because of robots.txt (1)
    ├── NothingDraftedError   `scrapeq init` found nothing on the page (1)
    └── StackError       a local service did not start, or localpubsub has ended (1)
        └── StackNotRunningError   no `scrapeq up` runs in the data directory (1)

These errors do not derive from `click.ClickException`, because typer contains a private copy of click and
catches only the exceptions of that copy (seen with typer 0.29).
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
    """The ledger does not exist or does not contain the run."""


class BrokerError(ConsoleError):
    """The broker cannot be reached, or its queues are missing or unsuitable."""


class DispatchError(ConsoleError):
    """The dispatcher could not be reached, or it refused the crawl."""


class ControlError(ConsoleError):
    """A call to Pub/Sub failed, so a control is not in force, or an operator contradicts another."""


class NoPubsubError(ConsoleError):
    """The stack has another broker than Pub/Sub, which cannot do what the command needs."""


class ReplayError(ConsoleError):
    """A call to Pub/Sub or to another broker failed during a replay."""


class PubsubAccessError(ConsoleError):
    """There are no credentials for Pub/Sub."""


class PageNotFetched(ConsoleError):
    """The page could not be fetched; a worker would have failed for the same reason."""


class StackError(ConsoleError):
    """A local service did not start, or localpubsub, which all other services need, has ended."""


class StackNotRunningError(StackError):
    """No `scrapeq up` runs in the data directory."""


class NothingDraftedError(ConsoleError):
    """The page offers no field for a crawl."""
