"""The exception that ends an attempt: every reason why a job is not scraped is raised as one of these.

::

    AttemptFailed                  the attempt ends here, for a reason of the closed set
    ├── ExtractionError            extraction/: the page and the recipe do not fit
    ├── AuthenticationError        push_endpoint/: the push carries no valid token
    └── PublishUnconfirmed         publishing/: Pub/Sub did not confirm a message in time
"""

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason


class AttemptFailed(Exception):
    """The attempt failed for a reason of the closed set.

    Attributes:
        reason: why; the outcome and the HTTP status follow from it.
        detail: a sentence for people, at most 1,000 characters.
        http_status: the status that the site answered; 0 if it did not answer.
        final_url: the URL that gave that answer; `""` if it was the job's own.
        retry_after: seconds for which the site asked not to be contacted; None if it did not ask.
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
        self.detail = detail[:MAX_DETAIL_CHARACTERS]
        self.http_status = http_status
        self.final_url = final_url
        self.retry_after = retry_after
        super().__init__(f"{reason}: {detail}")


def internal_error(error: Exception) -> AttemptFailed:
    """Return the failure that stands for an unexpected exception: `internal_error`, never acknowledged."""
    return AttemptFailed(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
