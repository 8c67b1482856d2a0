"""Refused by construction: no spelling, redirect or name leads a fetch to what is not the public internet."""

from threading import Event

import pytest

from contract.outcome import REASON_MEANINGS, Outcome, Reason
from contract.urls import check_url
from guarded_http.addresses import METADATA_NAMES
from tests.servers.site import PendingRequest, Site, http, redirect
from tests.worker.fetching import RESPECT_ROBOTS, fetch_failure, make_fetcher
from worker.budget import PageBudget
from worker.fetch import Fetcher

PAGE = b"<h1>One</h1>"

# How attackers spell an address. What follows the host is put behind each.
SPELLINGS = [
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
# What is no URL that we request, whatever it would lead to.
NO_URLS = [
    "http://127.0.0.1@shop.example/", "http://shop.example@127.0.0.1/",
    "http://shop.example:80@127.0.0.1/", "http://shop.example\\@127.0.0.1/",
    "http://127.0.0.1\\.shop.example/", "http://127.0.0.1 .shop.example/", "http://[fe80::1%25eth0]/",
    "http://[::1%25lo]/", "http://[127.0.0.1]/", "http://[v1.127.0.0.1]/", "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/", "http://:80/", "http:///etc/passwd", "http:127.0.0.1",
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/", "unix:///var/run/docker.sock", "jar:http://127.0.0.1!/",
    "data:text/html,x", "//127.0.0.1/", "localhost", "http+unix://%2Fvar%2Frun/",
    "http://[::ffff:127.0.0.1/", "http://%6c%6f%63alhost/",
]  # fmt: skip


@pytest.fixture(scope="module")
def public() -> Fetcher:
    """A fetcher to which nothing is opened."""
    return make_fetcher(allow_networks="")


@pytest.mark.parametrize("host", SPELLINGS)
def test_an_address_is_refused_however_it_is_spelled(public: Fetcher, host: str) -> None:
    """`refused_address`, before anything is sent; or there is no such host. Never a connection."""
    end = fetch_failure(
        public, check_url(f"http://{host}/latest/meta-data"), politeness=RESPECT_ROBOTS, budget=PageBudget(5)
    )
    assert end.reason in {Reason.REFUSED_ADDRESS, Reason.DNS}
    if "." in host.strip(".") and host[0].isascii() and host[0] != "%":
        assert end.reason is Reason.REFUSED_ADDRESS


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_of_a_page_is_refused_as_such(url: str) -> None:
    """Other schemes, user and password, zones, ports that are none: they end in no job at all."""
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.fixture
def one_address() -> Fetcher:
    """A fetcher to which this machine's first address is opened, and none of its others."""
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
def test_a_redirect_leads_nowhere_else(site: Site, one_address: Fetcher, target: str, status: int) -> None:
    """A site that may be asked cannot send us to one that may not."""
    end = fetch_failure(one_address, site.add("/", redirect(target, status)))
    assert end.reason in {Reason.REFUSED_ADDRESS, Reason.BAD_URL}
    assert len(site.requests) == 1


def test_a_chain_of_redirects_is_checked_at_every_step(site: Site, one_address: Fetcher) -> None:
    """Also where the first steps are harmless; the outcome names the step."""
    site.add("/1", redirect("/2"))
    site.add("/2", redirect("http://127.0.0.9/3"))
    end = fetch_failure(one_address, site.url("/1"))
    assert (end.reason, end.final_url) == (Reason.REFUSED_ADDRESS, "http://127.0.0.9/3")
    assert "127.0.0.9 is loopback (RFC 1122)" in end.detail
    assert "FETCH_ALLOW_NETWORKS" in end.detail


def test_a_robots_txt_leads_nowhere_else(site: Site, one_address: Fetcher) -> None:
    """It goes through the same door: where it redirects to is checked, and nothing is allowed meanwhile."""
    site.add("/robots.txt", redirect("http://127.0.0.2/robots.txt"))
    end = fetch_failure(one_address, site.add("/", http(200, PAGE)), politeness=RESPECT_ROBOTS)
    assert end.reason is Reason.ROBOTS_UNAVAILABLE
    assert "refused_address" in end.detail
    assert [request.path for request in site.requests] == ["/robots.txt"]


class Names:
    """A resolver whose answers a test chooses.

    Attributes:
        answers: what the next questions are answered, in turn; the last for ever.
        asked: the names, in order.
    """

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.requests_for: list[str] = []

    def __call__(self, host: str) -> list[str]:
        """Answer."""
        self.requests_for.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def named(site: Site, path: str = "/") -> str:
    """Return a site's URL by a name."""
    return f"http://shop.example:{site.port}{path}"


def test_a_name_is_resolved_once_and_its_checked_address_is_the_one_asked(site: Site) -> None:
    """DNS rebinding: an answer that changes between check and connection is never asked for."""
    # Given a name whose first answer may be asked, and every later one not
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    site.add("/", http(200, PAGE))
    # When its page is fetched
    page = make_fetcher(allow_networks="127.0.0.1/32", resolve=names).fetch(
        named(site), RESPECT_ROBOTS, PageBudget(10)
    )
    # Then it came from the address that was checked, by its name, in as many questions as connections
    assert page.body == PAGE
    assert site.requests[-1].headers["host"] == f"shop.example:{site.port}"
    assert len(names.requests_for) == site.connections == 1


def test_a_name_that_changes_its_address_is_checked_again(site: Site) -> None:
    """A new connection resolves anew, and checks anew: the second answer is refused, not trusted."""

    def close(visit: PendingRequest) -> None:
        visit.send(http(302, b"", "Location: /2", "Connection: close"))

    site.add("/1", close)
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    end = fetch_failure(make_fetcher(allow_networks="127.0.0.1/32", resolve=names), named(site, "/1"))
    assert (end.reason, len(names.requests_for)) == (Reason.REFUSED_ADDRESS, 2)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::1"],
        ["8.8.8.8", "169.254.169.254"],
        ["127.0.0.1", "fe80::1%eth0"],
        ["127.0.0.1"] * 9 + ["192.168.0.1"],
    ],
)
def test_a_host_with_one_refused_address_is_refused(site: Site, answers: list[str]) -> None:
    """All of its addresses are checked, in any order, and the refused one is named."""
    site.add("/", http(200, PAGE))
    end = fetch_failure(make_fetcher(allow_networks="127.0.0.1/32", resolve=Names(answers)), named(site))
    [refused] = {each for each in answers if each not in {"127.0.0.1", "8.8.8.8"}}
    assert end.reason is Reason.REFUSED_ADDRESS
    assert refused in end.detail
    assert site.connections == 0


def test_another_address_of_a_host_is_tried(site: Site) -> None:
    """Where one of its checked addresses does not answer."""
    site.add("/", http(200, PAGE))
    fetcher = make_fetcher(resolve=Names(["127.0.0.3", "127.0.0.1"]))
    assert fetcher.fetch(named(site), RESPECT_ROBOTS, PageBudget(10)).body == PAGE


def test_a_name_without_an_address_is_dns() -> None:
    """An empty answer is no crash."""
    assert fetch_failure(make_fetcher(resolve=Names([])), "http://shop.example/").reason is Reason.DNS


def test_a_resolver_that_does_not_answer_is_held_to_the_budget() -> None:
    """The system's resolver takes no timeout; the page's budget ends it all the same."""
    answered = Event()

    def silent(_: str) -> list[str]:
        answered.wait(120)
        return []

    end = fetch_failure(make_fetcher(resolve=silent), "http://shop.example/", budget=PageBudget(0.2))
    answered.set()
    assert end.reason is Reason.PAGE_BUDGET_EXCEEDED


def test_every_metadata_name_is_refused_unasked() -> None:
    """Before its address is known: on this network it may not resolve, on a cloud's it does."""
    names = Names(["8.8.8.8"])
    for name in METADATA_NAMES:
        assert fetch_failure(make_fetcher(resolve=names), f"http://{name}/").reason is Reason.REFUSED_ADDRESS
    assert names.requests_for == []


def test_what_is_refused_is_not_tried_again_by_itself() -> None:
    """`failed`: an address does not become public by waiting."""
    assert REASON_MEANINGS[Reason.REFUSED_ADDRESS].outcome is Outcome.FAILED
