"""What the `scrapeq` command says instead of a stack trace, by whose fault it is.

::

    Complaint            one sentence or a few, on standard error
    ├── WrongUsage       the operator's: an option, a file, a name (status 2)
    ├── NothingRecorded  nobody's: the ledger has no such run, or there is no ledger yet (status 1)
    ├── NotDispatched    the dispatcher's, or nobody listens there (status 1)
    ├── NotReplayed      Pub/Sub's, or nobody listens there: what was not confirmed stays dead (status 1)
    ├── NotFetched       the site's, or its robots.txt's: `try` got no page (status 1)
    └── StackFailed      a service did not start, or the queue ended (status 1)
"""


class Complaint(Exception):
    """Something the operator has to know; the message says what to do.

    Attributes:
        exit_status: what the command ends with.
    """

    exit_status = 1


class WrongUsage(Complaint):
    """What was asked for cannot be done as it was asked."""

    exit_status = 2


class NothingRecorded(Complaint):
    """The ledger does not hold what was asked for."""


class NotDispatched(Complaint):
    """The crawl did not reach a dispatcher, or the dispatcher refused it."""


class NotReplayed(Complaint):
    """Pub/Sub did not take a dead letter back."""


class NotFetched(Complaint):
    """The page could not be fetched; the worker would have ended the same way."""


class StackFailed(Complaint):
    """A local service did not start, or one that nothing works without has ended."""
