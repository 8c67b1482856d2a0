"""How fetching says that there is nothing to read, with a reason of the closed set."""

from typing import Protocol

from contract.outcome import Reason


class FetchError(Exception):
    """A site gave no answer, or none that we take.

    Attributes:
        reason: why, whose outcome says whether a repeat may help.
        detail: for people.
        status: HTTP's, where the head came.
    """

    def __init__(self, reason: Reason, detail: str, status: int = 0) -> None:
        self.reason = reason
        self.detail = detail
        self.status = status
        super().__init__(detail)


class Deadline(Protocol):
    """Until when everything about one fetch is over."""

    def left(self) -> float:
        """Return the seconds left, more than 0; raise the caller's own exception where there are none."""
