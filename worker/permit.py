"""Defines the operator's permission, which an attempt needs for each request to a site. Pure."""

from typing import Protocol

from worker.budget import PageBudget


class Permit(Protocol):
    """The permission of one attempt.

    An operator may withdraw it: for good by `scrapeq cancel`, or for a time by `scrapeq pause`.
    """

    def wait(self, url: str, budget: PageBudget) -> None:
        """Wait while the run of the job or the host of `url` is paused.

        Raises:
            AttemptFailed: `cancelled`, if the run is cancelled; or `paused`, after the time for which the job
                may wait.
        """

    def check(self, url: str) -> None:
        """Check that `url` may be requested now.

        Raises:
            AttemptFailed: `cancelled` or `paused`.
        """

    def is_paused(self, url: str) -> bool:
        """Return whether the job must wait before it requests `url`.

        Raises:
            AttemptFailed: `cancelled`.
        """


class AlwaysPermitted:
    """The permission of an attempt that no operator controls."""

    def wait(self, url: str, budget: PageBudget) -> None:
        """Do nothing."""

    def check(self, url: str) -> None:
        """Do nothing."""

    def is_paused(self, url: str) -> bool:
        """Return False."""
        del url
        return False


ALWAYS_PERMITTED = AlwaysPermitted()
