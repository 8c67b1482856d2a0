"""Tests that no form of an address, redirect or host name leads a request to a network that is not public."""

import pytest

from contract.outcome import Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from contract.urls import check_url
from guarded_http.addresses import METADATA_NAMES
from tests.servers.fake_resolver import FakeResolver
from tests.servers.site import PendingRequest, Site, http, redirect
from tests.worker.fetching import RESPECT_ROBOTS, fetch, fetch_failure, make_fetcher
from worker.fetch import Fetcher

PAGE = b"<h1>One</h1>"

# Hosts of URLs with which an attacker may try to reach an address that is not public.
ADDRESS_FORMS = [
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1",
    "0x7f.1", "0177.0.0.1", "0177.0.0.01", "00000177.0.0.1", "017700000001", "127.0x0.0.1", "0",
    "0.0.0.0", "0x0", "00", "10.0.0.1", "10.1", "167772161", "012.0.0.1", "0xa.0.0.1", "172.16.0.1",
    "172.31.255.255", "2886729729", "192.168.0.1", "192.168.1", "0300.0250.0.1", "0xc0a80001",
    "3232235521", "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe", "169.254.43518", "169.254.170.2", "100.64.0.1", "100.100.100.200",
    "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "4294967295", "[::]", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[0000::1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::FFFF:10.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::80ff:fffe]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
    "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "①②⑦.⓪.⓪.①", "127。0。0。1",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "localhost", "LOCALHOST", "metadata.google.internal",
    "metadata.google.internal.", "METADATA.google.internal", "metadata", "metadata.goog",
]  # fmt: skip
# URLs that are rejected before their host is resolved.
INVALID_URLS = [
    "http://127.0.0.1@shop.example/", "http://shop.example@127.0.0.1/",
    "http://shop.example:80@127.0.0.1/", "http://127.0.0.1 .shop.example/", "http://[fe80::1%25eth0]/",
    "http://[::1%25lo]/", "http://[127.0.0.1]/", "http://[v1.127.0.0.1]/", "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/", "http://:80/",
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/", "unix:///var/run/docker.sock", "jar:http://127.0.0.1!/",
    "data:text/html,x", "//127.0.0.1/", "localhost", "http+unix://%2Fvar%2Frun/",
    "http://[::ffff:127.0.0.1/",
]  # fmt: skip
# URLs that browsers accept, each with the host that browsers contact.
UNUSUAL_URLS = {
    "http://shop.example\\@127.0.0.1/": "shop.example",
    "http://127.0.0.1\\.shop.example/": "127.0.0.1",
    "http:127.0.0.1": "127.0.0.1",
    "http:///127.0.0.1/": "127.0.0.1",
    "http:\\\\127.0.0.1\\": "127.0.0.1",
    "http://%6c%6f%63alhost/": "localhost",
}


@pytest.fixture(scope="module")
def public_fetcher() -> Fetcher:
    """A fetcher that may contact only the public internet."""
    return make_fetcher(allow_networks="")


@pytest.mark.parametrize("host", ADDRESS_FORMS)
def test_address_is_refused_in_every_form(public_fetcher: Fetcher, host: str) -> None:
    """A URL with any of these hosts fails with `refused_address`, or with `dns` if no such host exists."""
    url = check_url(f"http://{host}/latest/meta-data")
    failure = fetch_failure(public_fetcher, url, politeness=RESPECT_ROBOTS)
    assert failure.reason in {Reason.REFUSED_ADDRESS, Reason.DNS}
    if "." in host.strip(".") and host[0].isascii() and host[0] != "%":
        assert failure.reason is Reason.REFUSED_ADDRESS


@pytest.mark.parametrize("url", INVALID_URLS)
def test_invalid_url_is_refused(url: str) -> None:
    """A URL with another scheme, credentials, a zone or an invalid host or port is not accepted for a job."""
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.mark.parametrize("url", UNUSUAL_URLS)
def test_host_of_an_unusual_url_is_the_one_that_is_checked(public_fetcher: Fetcher, url: str) -> None:
    """The address of the host that a browser would contact is checked, however the URL is written."""
    checked = check_url(url)
    assert checked.startswith(f"http://{UNUSUAL_URLS[url]}/")
    if UNUSUAL_URLS[url] != "shop.example":
        failure = fetch_failure(public_fetcher, checked, politeness=RESPECT_ROBOTS)
        assert failure.reason is Reason.REFUSED_ADDRESS


@pytest.fixture
def one_address_fetcher() -> Fetcher:
    """A fetcher that may contact 127.0.0.1 but no other loopback address."""
    return make_fetcher(allow_networks="127.0.0.1/32")


TARGETS = [
    "http://127.0.0.2/", "//127.0.0.2/", "http://2130706434/", "http://0x7f000002/",
    "http://0177.0.0.2/", "http://0/", "http://[::1]/", "http://[::ffff:127.0.0.2]/",
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/",
    "http://metadata.google.internal/computeMetadata/v1/", "http://10.0.0.1/", "HTTP://192.168.0.1/",
    "http://127.0.0.2#@shop.example/", "http://127.0.0.2?@shop.example/",
    "http://[64:ff9b::127.0.0.2]/",
]  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", TARGETS)
def test_redirect_to_a_refused_address_is_refused(
    site: Site, one_address_fetcher: Fetcher, target: str, status: int
) -> None:
    """A redirect from a permitted address to a refused one fails, and its target is not requested."""
    failure = fetch_failure(one_address_fetcher, site.add("/", redirect(target, status)))
    assert failure.reason in {Reason.REFUSED_ADDRESS, Reason.BAD_URL}
    assert len(site.requests) == 1


def test_every_redirect_of_a_chain_is_checked(site: Site, one_address_fetcher: Fetcher) -> None:
    """The address of each redirect in a chain is checked, and the error has the URL of the refused one."""
    site.add("/1", redirect("/2"))
    site.add("/2", redirect("http://127.0.0.9/3"))
    failure = fetch_failure(one_address_fetcher, site.url("/1"))
    assert (failure.reason, failure.final_url) == (Reason.REFUSED_ADDRESS, "http://127.0.0.9/3")
    assert "127.0.0.9 is loopback (RFC 1122)" in failure.detail
    assert "FETCH_ALLOW_NETWORKS" in failure.detail


def test_robots_txt_redirect_to_a_refused_address_is_refused(
    site: Site, one_address_fetcher: Fetcher
) -> None:
    """If robots.txt redirects to a refused address, the job fails and its page is not requested."""
    site.add("/robots.txt", redirect("http://127.0.0.2/robots.txt"))
    failure = fetch_failure(one_address_fetcher, site.add("/", http(200, PAGE)), politeness=RESPECT_ROBOTS)
    assert failure.reason is Reason.ROBOTS_UNAVAILABLE
    assert "refused_address" in failure.detail
    assert [request.path for request in site.requests] == ["/robots.txt"]


def named_url(site: Site, path: str = "/") -> str:
    """Return a URL of the site whose host is a name instead of an address."""
    return f"http://shop.example:{site.port}{path}"


def test_name_is_resolved_once_and_the_checked_address_is_contacted(site: Site) -> None:
    """A name is resolved once per connection, so its address cannot change after the check."""
    # Given a name whose first address is permitted and whose later addresses are not
    resolver = FakeResolver(["127.0.0.1"], ["169.254.169.254"])
    site.add("/", http(200, PAGE))
    # When its page is fetched
    fetcher = make_fetcher(allow_networks="127.0.0.1/32", resolver=resolver)
    page = fetch(fetcher, named_url(site), politeness=RESPECT_ROBOTS)
    # Then the page is from the checked address, and the name was resolved once for the connection
    assert page.body == PAGE
    assert site.requests[-1].headers["host"] == f"shop.example:{site.port}"
    assert len(resolver.resolved) == site.connections == 1


def test_changed_address_of_a_name_is_checked_again(site: Site) -> None:
    """A new connection to the same host resolves the name again and checks the new address."""

    def redirect_and_close(request: PendingRequest) -> None:
        request.send(http(302, b"", "Location: /2", "Connection: close"))

    site.add("/1", redirect_and_close)
    resolver = FakeResolver(["127.0.0.1"], ["169.254.169.254"])
    fetcher = make_fetcher(allow_networks="127.0.0.1/32", resolver=resolver)
    failure = fetch_failure(fetcher, named_url(site, "/1"))
    assert (failure.reason, len(resolver.resolved)) == (Reason.REFUSED_ADDRESS, 2)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::1"],
        ["8.8.8.8", "169.254.169.254"],
        ["127.0.0.1", "fe80::1%eth0"],
        ["127.0.0.1"] * 9 + ["192.168.0.1"],
    ],
)
def test_host_with_one_refused_address_is_refused(site: Site, addresses: list[str]) -> None:
    """A host is refused if any of its addresses is refused, and the error has that address."""
    site.add("/", http(200, PAGE))
    fetcher = make_fetcher(allow_networks="127.0.0.1/32", resolver=FakeResolver(addresses))
    failure = fetch_failure(fetcher, named_url(site))
    [refused] = set(addresses) - {"127.0.0.1", "8.8.8.8"}
    assert failure.reason is Reason.REFUSED_ADDRESS
    assert refused in failure.detail
    assert site.connections == 0


def test_next_address_of_a_host_is_tried(site: Site) -> None:
    """If a connection to the first address of a host fails, the next address is used."""
    site.add("/", http(200, PAGE))
    fetcher = make_fetcher(resolver=FakeResolver(["127.0.0.3", "127.0.0.1"]))
    assert fetch(fetcher, named_url(site), politeness=RESPECT_ROBOTS).body == PAGE


def test_name_without_address_fails_with_dns() -> None:
    """If the resolver returns no address, the fetch fails with `dns`."""
    fetcher = make_fetcher(resolver=FakeResolver([]))
    assert fetch_failure(fetcher, "http://shop.example/").reason is Reason.DNS


def test_metadata_name_is_refused_without_resolving_it() -> None:
    """The host names of metadata servers are refused by their names, without a DNS query."""
    resolver = FakeResolver(["8.8.8.8"])
    for name in METADATA_NAMES:
        failure = fetch_failure(make_fetcher(resolver=resolver), f"http://{name}/")
        assert failure.reason is Reason.REFUSED_ADDRESS
    assert resolver.resolved == []


def test_refused_address_is_not_retried() -> None:
    """The reason `refused_address` has the outcome `failed`, which is not retried."""
    assert REASON_MEANINGS[Reason.REFUSED_ADDRESS].outcome is Outcome.FAILED
