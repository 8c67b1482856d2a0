"""Compares how the commands of a guide have ended with what the guide says."""

from collections.abc import Mapping

from scripts.guide_run import Ran


def unexpected_ends(ran: Mapping[str, Ran], statuses: Mapping[str, int]) -> dict[str, tuple[int, str]]:
    """Return the status and the output of each command that has not ended with its status.

    Args:
        ran: the commands that were run, by their lines; one that ends in `&` may still run.
        statuses: exit statuses other than 0, by line.
    """
    return {
        line: (each.status, each.output)
        for line, each in ran.items()
        if each.status != statuses.get(line, 0) and not line.endswith("&")
    }
