"""Defines AttemptFailed, the base class of every exception that ends an attempt to scrape a job.

::

    AttemptFailed                  the attempt failed; `reason` is a member of `Reason`
    ├── ExtractionError            extraction/: the recipe finds no complete item on the page
    ├── AuthenticationError        push_endpoint/: the push carries no valid token
    └── PublishUnconfirmed         publishing/: Pub/Sub did not confirm a message in time
"""

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.quoting import shorten


class AttemptFailed(Exception):
    """The attempt failed.

    Attributes:
        reason: why the attempt failed; it determines the outcome and the HTTP status of the push.
        detail: a sentence for people, at most 1,000 characters, without passwords of URLs.
        http_status: HTTP status of the site's response; 0 if there was no response.
        final_url: the URL of that response; `""` if it is the job's own URL.
        retry_after: seconds of the site's Retry-After; None if the site did not send Retry-After.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        *,
        http_status: int = 0,
        final_url: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.reason = reason
        self.detail = shorten(detail, MAX_DETAIL_CHARACTERS)
        self.http_status = http_status
        self.final_url = final_url
        self.retry_after = retry_after
        super().__init__(f"{reason}: {self.detail}")


def internal_error(error: Exception) -> AttemptFailed:
    """Return an AttemptFailed for an unexpected exception; its reason is `internal_error`."""
    return AttemptFailed(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
