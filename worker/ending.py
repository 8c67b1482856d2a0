"""How a step says that a page will not be scraped by this attempt."""

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason


class Ended(Exception):
    """The attempt ended here, for a reason of the closed set.

    Attributes:
        reason: why.
        detail: for people, at most 1,000 characters.
        http_status: the site's answer; 0 where there was none.
        final_url: the URL that gave it; `""` where it was the job's own.
        retry_after: for how many seconds the site asked to be left alone; None where it did not.
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
