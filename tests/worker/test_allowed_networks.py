"""Tests that FETCH_ALLOW_NETWORKS opens networks to jobs whose own URL is there, and not to public sites."""

from collections.abc import Iterator

import pytest

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from guarded_http.addresses import parse_ports
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.public_address import PRIVATE_NETWORK, PUBLIC_ADDRESS, count_as_public
from tests.servers.pushes import job, push
from tests.servers.site import Site, http, redirect, running_site
from tests.worker.fetching import RESPECT_ROBOTS, fetch, fetch_failure, make_fetcher
from tests.worker.worker_under_test import WorkerUnderTest
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.page import FetchedPage

PAGE = b"<h1>One</h1>"


@pytest.fixture
def public_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site at an address that counts as public."""
    count_as_public(monkeypatch)
    with running_site(host=PUBLIC_ADDRESS) as site:
        yield site


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher that is allowed to contact the address of the fixture `site`, which is not public."""
    return make_fetcher(allow_networks=PRIVATE_NETWORK)


def assert_refused(failure: AttemptFailed, site: Site) -> None:
    """Check that a fetch was refused because a public site led to an allowed network."""
    assert failure.reason is Reason.REFUSED_ADDRESS
    assert "127.0.0.1 is loopback (RFC 1122), and a public site led to it" in failure.detail
    assert site.requests == []


def test_redirect_of_a_public_site_to_an_allowed_network_is_refused(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """A public page that redirects to an allowed network fails; not even robots.txt is requested there."""
    url = public_site.add("/", redirect(site.add("/", http(200, PAGE))))
    assert_refused(fetch_failure(fetcher, url), site)
    assert_refused(fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS), site)


def test_refresh_of_a_public_site_to_an_allowed_network_is_refused(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """A public page that refreshes to an allowed network fails."""
    target = site.add("/", http(200, PAGE))
    page = public_site.add("/", http(200, PAGE, f"Refresh: 0; url={target}"))
    assert_refused(fetch_failure(fetcher, page), site)


def test_robots_txt_of_a_public_site_leads_to_no_allowed_network(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """A public robots.txt that redirects to an allowed network is not available."""
    public_site.add("/robots.txt", redirect(site.add("/robots.txt", http(200))))
    failure = fetch_failure(fetcher, public_site.add("/", http(200, PAGE)), politeness=RESPECT_ROBOTS)
    assert failure.reason is Reason.ROBOTS_UNAVAILABLE
    assert site.requests == []


def test_redirect_from_an_allowed_network_and_back_is_refused(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """A site of an allowed network may redirect to a public site, which may not redirect back."""
    back = public_site.add("/", redirect(site.add("/2", http(200, PAGE))))
    assert fetch_failure(fetcher, site.add("/1", redirect(back))).reason is Reason.REFUSED_ADDRESS
    assert [request.path for request in site.requests] == ["/1"]


def test_redirect_inside_an_allowed_network_is_followed(site: Site, fetcher: Fetcher) -> None:
    """A site of an allowed network may redirect to another one, after its robots.txt was requested."""
    with running_site() as other:
        url = site.add("/", redirect(other.add("/", http(200, PAGE))))
        page = fetch(fetcher, url, politeness=RESPECT_ROBOTS)
        assert (page.body, page.is_public) == (PAGE, False)
        assert [request.path for request in other.requests] == ["/robots.txt", "/"]


def test_idle_connection_to_an_allowed_network_is_not_used_for_a_public_site(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """An open connection that a job of the allowed network has left does not bypass the check."""
    target = site.add("/", http(200, PAGE))
    assert fetch(fetcher, target).body == PAGE
    failure = fetch_failure(fetcher, public_site.add("/", redirect(target)))
    assert failure.reason is Reason.REFUSED_ADDRESS
    assert len(site.requests) == 1


def test_refused_robots_txt_of_one_job_is_requested_for_another(
    public_site: Site, site: Site, fetcher: Fetcher
) -> None:
    """A job that a public site led astray leaves no error for the jobs whose own URL is there."""
    target = site.add("/", http(200, PAGE))
    failure = fetch_failure(fetcher, public_site.add("/", redirect(target)), politeness=RESPECT_ROBOTS)
    assert_refused(failure, site)
    assert fetch(fetcher, target, politeness=RESPECT_ROBOTS).body == PAGE


def test_job_from_a_public_site_may_not_contact_an_allowed_network(
    monkeypatch: pytest.MonkeyPatch, site: Site, fetcher: Fetcher
) -> None:
    """A URL that a public page or sitemap has is refused if its host is in an allowed network."""
    count_as_public(monkeypatch)
    with pytest.raises(AttemptFailed) as failure:
        fetcher.fetch(site.add("/", http(200, PAGE)), RESPECT_ROBOTS, PageBudget(60), public_only=True)
    assert_refused(failure.value, site)


@pytest.mark.parametrize("is_public", [True, False])
def test_next_page_of_a_public_page_may_not_contact_an_allowed_network(*, is_public: bool) -> None:
    """The job of a next page whose link was on a public page may contact only public addresses."""
    # Given a page with a link to the next page
    worker = WorkerUnderTest()
    body = b"<h1>One</h1><a href=http://127.0.0.1:9200/>next</a>"
    worker.site.page = FetchedPage("https://shop.example/1", 200, "text/html", body, is_public)
    recipe = {"name": "r", "fields": {"title": {"css": "h1"}}, "next": "a", "items": "body"}
    # When its job and the job of the next page are pushed
    assert worker.post(push(job(recipe=recipe))).status_code == 204
    [following] = worker.jobs.published
    assert worker.post(push(following.data, message_id="43")).status_code == 204
    # Then only the first job may contact every allowed network
    assert worker.site.requested == ["https://shop.example/1", "http://127.0.0.1:9200/"]
    assert worker.site.public_only == [False, is_public]
    assert Job.decode(following.data).public_only == is_public


def test_refused_port_is_not_requested_at_an_allowed_network(site: Site) -> None:
    """A port of FETCH_REFUSE_PORTS is refused at an address that is not public, and others are not."""
    url = site.add("/", http(200, PAGE))

    def make_client(user_agent: str, dialer: Dialer) -> HttpClient:
        refused = Dialer(dialer.allowed_networks, refused_ports=parse_ports(f"1, {site.port}"))
        return HttpClient(user_agent, refused)

    failure = fetch_failure(make_fetcher(make_client=make_client), url)
    assert failure.reason is Reason.REFUSED_ADDRESS
    assert f"127.0.0.1 is loopback (RFC 1122), and its port {site.port} is refused" in failure.detail
    assert site.connections == 0


def test_refused_port_is_requested_at_a_public_address(public_site: Site) -> None:
    """FETCH_REFUSE_PORTS does not concern the public internet."""
    dialer = Dialer(refused_ports=frozenset({public_site.port}))
    fetcher = make_fetcher(make_client=lambda agent, _: HttpClient(agent, dialer))
    assert fetch(fetcher, public_site.add("/", http(200, PAGE))).body == PAGE
