"""Tests a worker process while the DNS servers of many hosts are silent."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.servers.dns_server import SILENT, DnsServer, Zone, running_dns_server
from tests.servers.site import Site, http, redirect
from tests.servers.worker_process import WorkerProcess, running_worker

PAGE = http(200, b"<h1>Faust</h1>")
PAGE_SLOTS = 4
DEAD_DOMAINS = 8
#: So many hosts that their lookups take half a minute: 64 at the same time, for 8 s each.
LOOKUPS = 35 * DEAD_DOMAINS


@pytest.fixture(scope="module")
def dns_server() -> Iterator[DnsServer]:
    """A DNS server that knows the hosts of one shop, and is silent about several other domains."""
    dead = {f"dead{number}.example": SILENT for number in range(DEAD_DOMAINS)}
    with running_dns_server({"shop.example": Zone(("127.0.0.1",)), **dead}) as server:
        yield server


@pytest.fixture(scope="module")
def worker(pubsub: str, dns_server: DnsServer) -> Iterator[WorkerProcess]:
    """A worker with few page slots that asks the DNS server."""
    settings = {
        "DNS_SERVERS": dns_server.address,
        "PAGE_CONCURRENCY": str(PAGE_SLOTS),
        "CONCURRENCY": "300",
    }
    with running_worker(pubsub, **settings) as worker:
        yield worker


def named(site: Site, host: str, path: str) -> str:
    """Return the URL of a page of the site under a host name."""
    return f"http://{host}:{site.port}{path}"


def test_hanging_lookups_delay_no_other_job(worker: WorkerProcess, dns_server: DnsServer, site: Site) -> None:
    """While many lookups hang, other jobs are confirmed at their first attempt, and health checks succeed."""
    # Given jobs for far more hosts with silent DNS servers than the worker has page slots
    urls = [f"http://www{number}.dead{number % DEAD_DOMAINS}.example/" for number in range(LOOKUPS)]
    pending = [worker.start_push(url) for url in urls]
    # When as many lookups as permitted are under way
    dns_server.await_names(8 * DEAD_DOMAINS)
    # Then a job for a host without a name is confirmed
    assert worker.push(site.add("/address", PAGE)) == (204, {})
    # And so are jobs for hosts with names, also with redirects and robots.txt
    site.add("/named", PAGE)
    site.add("/moved", redirect(named(site, "m.shop.example", "/named")))
    assert worker.push(named(site, "www.shop.example", "/moved")) == (204, {})
    assert worker.push(named(site, "new.shop.example", "/named")) == (204, {})
    assert worker.request("GET", "/healthz")[0] == 200
    # And they did not wait for the hanging lookups
    assert len(dns_server.names() & {urlsplit(url).hostname for url in urls}) < len(urls)
    for push in pending:
        push.connection.close()


def test_silent_dns_server_fails_with_dns(worker: WorkerProcess, dns_server: DnsServer) -> None:
    """A job whose host cannot be looked up fails with `dns`, and the detail says that no server answered."""
    dns_server.zones["silent.example"] = SILENT
    status, fields = worker.push("http://silent.example/")
    assert (status, fields["reason"]) == (503, "dns")
    assert fields["detail"] == "silent.example: no DNS server answered within 8 s"


def test_redirect_to_a_host_that_does_not_exist_fails_with_dns(
    worker: WorkerProcess, dns_server: DnsServer, site: Site
) -> None:
    """The host of a redirect is looked up, too, and the detail says that it does not exist."""
    url = site.add("/gone", redirect("http://gone.example/"))
    status, fields = worker.push(url)
    assert (status, fields["reason"]) == (503, "dns")
    assert fields["detail"] == "gone.example: the name does not exist (NXDOMAIN)"
    assert "gone.example" in dns_server.names()
