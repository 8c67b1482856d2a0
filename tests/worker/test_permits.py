"""Tests that each request to a site needs the operator's permission: pages, redirects and robots.txt."""

from dataclasses import dataclass, field

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from tests.servers.site import Site, http, redirect
from tests.worker.fetching import IGNORE_ROBOTS, RESPECT_ROBOTS, FakeClock, make_fetcher
from worker.budget import PageBudget

PAGE = b"<h1>A page</h1>"


@dataclass
class CountedPermit:
    """A permit that its operator withdraws after some requests.

    Attributes:
        requests: number of requests that are permitted.
        reason: why further ones are not.
        site: counts the requests.
        waits: the URLs for which a job would have waited.
    """

    site: Site
    requests: int
    reason: Reason = Reason.CANCELLED
    waits: list[str] = field(default_factory=list)

    def is_paused(self, url: str) -> bool:
        """Return whether the job is paused, or raise that it is cancelled."""
        del url
        is_withdrawn = len(self.site.requests) >= self.requests
        if is_withdrawn and self.reason is Reason.CANCELLED:
            raise AttemptFailed(self.reason)
        return is_withdrawn

    def check(self, url: str) -> None:
        """Raise the reason, if the permit is withdrawn."""
        if self.is_paused(url):
            raise AttemptFailed(self.reason)

    def wait(self, url: str, budget: PageBudget) -> None:
        """Raise the reason, if the permit is withdrawn: the job may not wait."""
        del budget
        self.waits.append(url)
        self.check(url)


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.PAUSED])
@pytest.mark.parametrize(
    ("politeness", "paths"),
    [
        (IGNORE_ROBOTS, ["/1", "/2", "/3"]),
        (RESPECT_ROBOTS, ["/robots.txt", "/robots2.txt", "/1", "/2", "/3"]),
    ],
    ids=["pages", "robots.txt"],
)
def test_no_request_begins_without_permission(
    site: Site, politeness: Politeness, paths: list[str], reason: Reason
) -> None:
    """Each request, each redirect and each request for robots.txt is refused once the permit is withdrawn."""
    site.add("/robots.txt", redirect("/robots2.txt"))
    site.add("/robots2.txt", http(200, b""))
    site.add("/2", redirect("/3"))
    site.add("/3", http(200, PAGE))
    url = site.add("/1", redirect("/2"))
    for count in range(len(paths)):
        site.requests.clear()
        with pytest.raises(AttemptFailed) as failure:
            make_fetcher().fetch(url, politeness, PageBudget(60), permit=CountedPermit(site, count, reason))
        assert failure.value.reason is reason
        assert [request.path for request in site.requests] == paths[:count]
    site.requests.clear()
    assert make_fetcher().fetch(url, politeness, PageBudget(60), permit=CountedPermit(site, 9)).body == PAGE
    assert [request.path for request in site.requests] == paths


def test_a_job_that_is_not_permitted_does_not_keep_robots_from_others(site: Site) -> None:
    """If the job that fetches robots.txt is cancelled in between, the next job fetches the file again."""
    site.add("/robots.txt", redirect("/robots2.txt"))
    site.add("/robots2.txt", http(200, b""))
    url, fetcher = site.add("/1", http(200, PAGE)), make_fetcher()
    with pytest.raises(AttemptFailed):
        fetcher.fetch(url, RESPECT_ROBOTS, PageBudget(60), permit=CountedPermit(site, 1))
    assert fetcher.fetch(url, RESPECT_ROBOTS, PageBudget(60)).body == PAGE


def test_a_pause_that_begins_during_the_wait_for_a_slot_holds_the_job(site: Site) -> None:
    """The permission is asked for again after the wait for the host's slot, right before the request."""

    class Paused(CountedPermit):
        """Is paused from the second question to the second wait."""

        questions = 0

        def is_paused(self, url: str) -> bool:
            """Return whether the job is paused."""
            del url
            self.questions += 1
            return self.questions == 1

        def wait(self, url: str, budget: PageBudget) -> None:
            """Record that the job waits."""
            del budget
            self.waits.append(url)

    clock, permit = FakeClock(), Paused(site, 0)
    url = site.add("/1", http(200, PAGE))
    make_fetcher(clock=clock).fetch(url, IGNORE_ROBOTS, PageBudget(60, clock=clock), permit=permit)
    assert permit.waits == [url, url]
    assert len(site.requests) == 1
