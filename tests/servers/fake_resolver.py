"""Resolves every host name to addresses that a test chooses, without DNS servers."""

from guarded_http.dns_answers import DnsAnswer, absent, found


class FakeResolver:
    """A resolver with chosen results, which keeps none of them.

    Attributes:
        results: the addresses of the next lookups, in order; the last one is repeated.
        resolved: the names that were looked up, in order.
    """

    def __init__(self, *results: list[str]) -> None:
        self.results = list(results)
        self.resolved: list[str] = []

    def known(self, host: str) -> None:
        """Return None: every host must be looked up."""
        del host

    def look_up(self, host: str, seconds: float) -> DnsAnswer | None:
        """Return the next result."""
        assert seconds > 0
        self.resolved.append(host)
        addresses = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        return found(tuple(addresses), 60) if addresses else absent("the name does not exist (NXDOMAIN)", 60)
