"""Fetching, over real sockets: what a site may answer, and how each of it ends."""

import gc
import gzip
import ssl
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from console.stack.ports import free_port
from contract.attempt import AttemptFailed
from contract.outcome import REASON_MEANINGS, Outcome, Reason
from tests.servers.push_tokens import Issuer
from tests.servers.site import PendingRequest, Response, Site, http, redirect, running_site
from tests.worker.fetching import IGNORE_ROBOTS, make_fetcher
from worker.budget import PageBudget
from worker.fetch import Fetcher, reason_of
from worker.page import FetchedPage

MAX_BYTES = 100_000
PAGE = b"<h1>One</h1>"


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher as the worker wires it, of small pages."""
    return make_fetcher(max_bytes=MAX_BYTES, max_redirects=3)


def fetched(fetcher: Fetcher, url: str, seconds: float = 10) -> FetchedPage:
    """Return the page at `url`."""
    return fetcher.fetch(url, IGNORE_ROBOTS, PageBudget(seconds))


def fetch_failure(fetcher: Fetcher, url: str, budget: PageBudget | None = None) -> AttemptFailed:
    """Return how a fetch that gives no page ends."""
    with pytest.raises(AttemptFailed) as fetch_failure:
        fetcher.fetch(url, IGNORE_ROBOTS, budget or PageBudget(10))
    return fetch_failure.value


@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_a_2xx_with_a_body_is_a_page(site: Site, fetcher: Fetcher, status: int) -> None:
    """Bytes, status and type as the site sent them."""
    page = fetched(fetcher, site.add("/", http(status, PAGE)))
    assert page == FetchedPage(site.url("/"), status, "text/html; charset=utf-8", PAGE)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, Reason.HTTP_OTHER),
        (205, Reason.HTTP_OTHER),
        (206, Reason.HTTP_OTHER),
        (300, Reason.HTTP_OTHER),
        (301, Reason.HTTP_OTHER),
        (304, Reason.HTTP_OTHER),
        (400, Reason.HTTP_4XX),
        (401, Reason.HTTP_4XX),
        (403, Reason.HTTP_403),
        (404, Reason.HTTP_404),
        (408, Reason.HTTP_408),
        (410, Reason.HTTP_410),
        (418, Reason.HTTP_4XX),
        (425, Reason.HTTP_425),
        (429, Reason.HTTP_429),
        (451, Reason.HTTP_4XX),
        (500, Reason.HTTP_5XX),
        (503, Reason.HTTP_5XX),
        (599, Reason.HTTP_5XX),
        (999, Reason.HTTP_OTHER),
    ],
)
def test_an_answer_without_a_page_ends_by_its_status(
    site: Site, fetcher: Fetcher, status: int, reason: Reason
) -> None:
    """Each status has its reason, and the outcome keeps the status and the URL that gave it."""
    url = site.add("/", http(status, b""))
    end = fetch_failure(fetcher, url)
    assert (end.reason, end.http_status, end.final_url) == (reason, status, url)


def test_every_status_has_a_reason_that_does_not_acknowledge() -> None:
    """A status that no table foresaw is still no page."""
    outcomes = {status: REASON_MEANINGS[reason_of(status)].outcome for status in range(100, 600)}
    assert set(outcomes.values()) == {Outcome.RETRY, Outcome.FAILED}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_to_the_page(site: Site, fetcher: Fetcher, status: int) -> None:
    """Relative or absolute, over several steps; the page's URL is the last one, without fragment."""
    site.add("/1", redirect("2", status))
    site.add("/2", redirect(site.url("/deep/3#part"), status))
    site.add("/deep/3", redirect("?x=1", status))
    site.add("/deep/3?x=1", http(200, PAGE))
    assert fetched(fetcher, site.url("/1")).url == site.url("/deep/3?x=1")


def test_too_many_redirects_end(site: Site, fetcher: Fetcher) -> None:
    """A loop costs as many requests as the limit says, and then the reason names where it was."""
    url = site.add("/loop", redirect("/loop"))
    end = fetch_failure(fetcher, url)
    assert (end.reason, end.final_url) == (Reason.TOO_MANY_REDIRECTS, url)
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://user:password@127.0.0.1/",
        "http://[broken/",
        "http://127.0.0.1:port/",
        "http://" + "a" * 300 + ".example/",
        "/" + "a" * 3000,
    ],
)
def test_a_redirect_to_what_we_do_not_request_ends(site: Site, fetcher: Fetcher, target: str) -> None:
    """A site does not choose another scheme, credentials or rubbish for us."""
    url = site.add("/", redirect(target))
    end = fetch_failure(fetcher, url)
    assert (end.reason, end.final_url) == (Reason.BAD_URL, url)


def test_a_redirect_in_an_old_encoding_is_followed(site: Site, fetcher: Fetcher) -> None:
    """Bytes of a Location that are no UTF-8 are sent back as they are, those that are UTF-8 too."""
    site.add("/latin", b"HTTP/1.1 302 Found\r\nLocation: /caf\xe9\r\nContent-Length: 0\r\n\r\n")
    site.add("/utf", b"HTTP/1.1 302 Found\r\nLocation: /caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    site.add("/caf%E9", http(200, PAGE))
    site.add("/caf%C3%A9", http(200, PAGE))
    assert fetched(fetcher, site.url("/latin")).url == site.url("/caf%E9")
    assert fetched(fetcher, site.url("/utf")).url == site.url("/caf%C3%A9")


def test_a_redirects_body_is_not_read(site: Site, fetcher: Fetcher) -> None:
    """A redirect with an endless body ends as quickly as any."""

    def endless(visit: PendingRequest) -> None:
        visit.send(http(302, b"", "Location: /page", length=10**12))
        while True:
            visit.send(b"x" * 65536)

    site.add("/page", http(200, PAGE))
    assert fetched(fetcher, site.add("/", endless)).body == PAGE


def test_a_refused_connection_may_work_later(fetcher: Fetcher) -> None:
    """Nobody listens: `connect`."""
    port = free_port()
    assert fetch_failure(fetcher, f"http://127.0.0.1:{port}/").reason is Reason.CONNECT


def test_a_name_that_does_not_exist_is_dns(fetcher: Fetcher) -> None:
    """`.invalid` never resolves (RFC 6761 section 6.4)."""
    assert fetch_failure(fetcher, "http://nowhere.invalid/").reason is Reason.DNS


def close(_: PendingRequest) -> None:
    """Close without a word."""


def reset(visit: PendingRequest) -> None:
    """Reset before the answer."""
    visit.reset()


def garbage(visit: PendingRequest) -> None:
    """Speak another protocol."""
    visit.send(b"SSH-2.0-OpenSSH_9.9\r\n")


def headers_without_end(visit: PendingRequest) -> None:
    """Send header fields until the client has enough."""
    visit.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        visit.send(b"X: " + b"y" * 1000 + b"\r\n")


def long_header(visit: PendingRequest) -> None:
    """Send one header field until the client has enough."""
    visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        visit.send(b"y" * 65536)


@pytest.mark.parametrize("answer", [close, reset, garbage, headers_without_end, long_header])
def test_a_connection_that_gives_no_answer_may_work_later(
    site: Site, fetcher: Fetcher, answer: Response
) -> None:
    """Whatever a broken server says instead of HTTP: retried, and never an exception nobody foresaw."""
    end = fetch_failure(fetcher, site.add("/", answer))
    assert (end.reason, end.final_url) == (Reason.CONNECT, site.url("/"))
    assert end.detail


def test_a_length_that_is_none_may_be_one_later(site: Site, fetcher: Fetcher) -> None:
    """Two lengths for one body: nobody knows where it ends (RFC 9110 section 8.6)."""
    two = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3, 4\r\n\r\nabc"
    assert fetch_failure(fetcher, site.add("/", lambda visit: visit.send(two))).reason is Reason.CONNECT
    gc.collect()  # a connection that were left open would warn now


def reset_in_body(visit: PendingRequest) -> None:
    """Reset within the body."""
    visit.send(http(200, PAGE, length=1000))
    visit.reset()


def chunked(*chunks: bytes) -> bytes:
    """Return a chunked answer (RFC 9112 section 7.1), its chunks as given."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(chunks)


CUT = {
    "length": http(200, PAGE, length=1000),
    "chunk": chunked(b"c\r\n", PAGE[:5]),
    "last chunk": chunked(b"c\r\n", PAGE, b"\r\n"),
    "chunk size": chunked(b"c\r\n", PAGE, b"\r\nzz\r\n"),
    "gzip": http(200, gzip.compress(PAGE)[:-5], "Content-Encoding: gzip", length=len(gzip.compress(PAGE))),
    "no gzip": http(200, PAGE, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT.keys())
def test_a_body_that_is_cut_short_is_no_page(site: Site, fetcher: Fetcher, answer: bytes) -> None:
    """Half a page must not pass for a whole one; it may come whole the next time."""
    assert (
        fetch_failure(fetcher, site.add("/", lambda visit: visit.send(answer))).reason
        is Reason.INCOMPLETE_BODY
    )


def test_a_reset_within_the_body_is_cut_short(site: Site, fetcher: Fetcher) -> None:
    """The connection was there: what is missing is the rest of the page."""
    assert fetch_failure(fetcher, site.add("/", reset_in_body)).reason is Reason.INCOMPLETE_BODY


@pytest.mark.parametrize(
    "answer",
    [
        chunked(b"c\r\n", PAGE, b"\r\n0\r\n\r\n"),
        chunked(b"5\r\n", PAGE[:5], b"\r\n7;x=1\r\n", PAGE[5:], b"\r\n0\r\nTrailer: 1\r\n\r\n"),
        http(200, gzip.compress(PAGE), "Content-Encoding: gzip"),
        http(200, zlib.compress(PAGE), "Content-Encoding: deflate"),
        http(200, gzip.compress(gzip.compress(PAGE)), "Content-Encoding: gzip, gzip"),
        http(200, PAGE, "Content-Encoding: identity"),
        b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE,
    ],
    ids=[
        "chunked",
        "extensions and trailers",
        "gzip",
        "deflate",
        "gzip twice",
        "identity",
        "until it closes",
    ],
)
def test_a_body_is_decoded_from_its_encodings(site: Site, fetcher: Fetcher, answer: bytes) -> None:
    """The page is the same, however it travelled."""
    assert fetched(fetcher, site.add("/", lambda visit: visit.send(answer))).body == PAGE


def test_a_silent_site_has_stopped_answering(site: Site, fetcher: Fetcher) -> None:
    """Before its answer, or within its body: `timeout`, where the page's whole budget is not spent."""
    # Given a clock that stands, so that only the silence ends the wait
    patient = PageBudget(0.2, clock=lambda: 0.0)
    # When the site says nothing
    assert (
        fetch_failure(fetcher, site.add("/", PendingRequest.wait_until_closed), patient).reason
        is Reason.TIMEOUT
    )

    # And when it stops within the body
    def half(visit: PendingRequest) -> None:
        visit.send(http(200, PAGE, length=1000))
        visit.wait_until_closed()

    assert fetch_failure(fetcher, site.add("/half", half), patient).reason is Reason.TIMEOUT


def drip_length(visit: PendingRequest) -> None:
    """Send a body of known length, byte by byte."""
    visit.send(http(200, b"", length=10_000))
    visit.send_slowly(b"x" * 10_000)


def drip_chunk(visit: PendingRequest) -> None:
    """Send a chunk, byte by byte."""
    visit.send(chunked(b"2710\r\n"))
    visit.send_slowly(b"x" * 10_000)


def drip_gzip(visit: PendingRequest) -> None:
    """Send a zipped body, byte by byte."""
    visit.send(http(200, b"", "Content-Encoding: gzip", length=10_000))
    visit.send_slowly(gzip.compress(bytes(range(256)) * 100, compresslevel=0))


@pytest.mark.parametrize("drip", [PendingRequest.wait_until_closed, drip_length, drip_chunk])
def test_a_page_takes_no_longer_than_its_budget(site: Site, fetcher: Fetcher, drip: Response) -> None:
    """A site that sends a byte now and then stays within every timeout of one read, and ends all the same."""
    started = time.monotonic()
    end = fetch_failure(fetcher, site.add("/", drip), PageBudget(0.4))
    assert end.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert "the page took longer than 0.4 s" in end.detail
    assert time.monotonic() - started < 10


def test_a_spent_budget_asks_for_nothing(site: Site, fetcher: Fetcher) -> None:
    """A redirect that comes too late is not followed."""
    # Given a clock by which the site's answer takes two seconds
    budget = PageBudget(1, clock=lambda: 2.0 * len(site.requests))
    end = fetch_failure(fetcher, site.add("/", redirect("/next")), budget)
    assert end.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert [request.path for request in site.requests] == ["/"]


def test_a_page_of_the_largest_size_is_taken(site: Site, fetcher: Fetcher) -> None:
    """The bound itself is within it."""
    assert len(fetched(fetcher, site.add("/", http(200, b"x" * MAX_BYTES))).body) == MAX_BYTES


def announced_too_large(visit: PendingRequest) -> None:
    """Announce a terabyte, and send none of it."""
    visit.send(http(200, b"", length=10**12))
    visit.wait_until_closed()


def streamed_too_large(visit: PendingRequest) -> None:
    """Send chunks until the client has enough."""
    visit.send(chunked())
    while True:
        visit.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def unannounced_too_large(visit: PendingRequest) -> None:
    """Send a body until the client has enough."""
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        visit.send(b"x" * 4096)


@pytest.mark.parametrize("answer", [announced_too_large, streamed_too_large, unannounced_too_large])
def test_a_page_that_is_too_large_fails_at_its_bound(site: Site, fetcher: Fetcher, answer: Response) -> None:
    """By what it announces, or by what it sends: no more is read than is allowed."""
    end = fetch_failure(fetcher, site.add("/", answer))
    assert (end.reason, end.http_status) == (Reason.TOO_LARGE, 200)
    assert "FETCH_MAX_BYTES" in end.detail


def test_a_zip_bomb_fills_no_memory(site: Site) -> None:
    """What unpacks to 200 MB is dropped at the bound, and not unpacked before."""
    zipping = zlib.compressobj(wbits=31)
    bomb = b"".join([zipping.compress(bytes(10_000_000)) for _ in range(20)]) + zipping.flush()
    url = site.add("/", http(200, bomb, "Content-Encoding: gzip", length=len(bomb)))
    bound = make_fetcher(max_bytes=1_000_000, max_redirects=0)
    tracemalloc.start()
    try:
        assert fetch_failure(bound, url).reason is Reason.DECOMPRESSION_BOMB
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "TEXT/HTML;charset=x",
        " text/plain",
        "application/xhtml+xml",
        "application/xml",
        "text/xml",
        "application/json",
        "application/ld+json; charset=utf-8",
        "application/rss+xml",
        "",
    ],
)
def test_what_can_be_extracted_from_is_read(site: Site, fetcher: Fetcher, content_type: str) -> None:
    """HTML, XHTML, XML, JSON and text; and what the site says nothing about, as browsers do."""
    page = fetched(fetcher, site.add("/", http(200, PAGE, content_type=content_type)))
    assert (page.body, page.content_type) == (PAGE, content_type.strip())


@pytest.mark.parametrize(
    "content_type",
    ["application/pdf", "image/png", "application/jsonish", "application/octet-stream", "html", ";"],
)
def test_what_cannot_be_extracted_from_fails_unread(site: Site, fetcher: Fetcher, content_type: str) -> None:
    """A film is refused by its type, before its first megabyte."""
    end = fetch_failure(fetcher, site.add("/", http(200, PAGE, content_type=content_type)))
    assert (end.reason, end.http_status) == (Reason.CONTENT_TYPE, 200)
    assert content_type in end.detail


def test_cookies_of_one_page_are_not_sent_to_the_next(site: Site, fetcher: Fetcher) -> None:
    """Jobs share connections, and nothing a site wants them to remember: not even over a redirect."""
    site.add("/login", http(302, b"", "Set-Cookie: session=1; Path=/", "Location: /page"))
    site.add("/page", http(200, PAGE, "Set-Cookie: page=1"))
    fetched(fetcher, site.url("/login"))
    fetched(fetcher, site.url("/page"))
    assert [request.path for request in site.requests] == ["/login", "/page", "/page"]
    assert not any("cookie" in request.headers for request in site.requests)


def test_nothing_of_this_machine_is_used(
    site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No proxy of the environment sees a job's request, and no password of .netrc is sent with it."""
    # Given an environment with a proxy that leads nowhere, and a password for the site's host
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    # When a page is fetched
    fetched(fetcher, site.add("/", http(200, PAGE)))
    # Then the site itself was asked, and told nothing
    assert "authorization" not in site.requests[0].headers


def test_a_site_sees_who_asks_and_for_what(site: Site, fetcher: Fetcher) -> None:
    """Our User-Agent, the types we read, and encodings we can decode."""
    fetched(fetcher, site.add("/", http(200, PAGE)))
    headers = site.requests[0].headers
    assert headers["user-agent"] == "scrapeq/test"
    assert headers["accept"].startswith("text/html")
    assert "gzip" in headers["accept-encoding"]


def test_pages_of_one_host_share_a_connection(site: Site, fetcher: Fetcher) -> None:
    """A handshake for each page would cost more than the page, for us and for the site."""
    site.add("/zipped", http(200, gzip.compress(PAGE), "Content-Encoding: gzip"))
    site.add("/chunked", chunked(b"c\r\n", PAGE, b"\r\n0\r\n\r\n"))
    site.add("/empty", http(200, b""))
    for path in ("/", "/zipped", "/chunked", "/empty", "/"):
        site.add("/", http(200, PAGE))
        fetched(fetcher, site.url(path))
    assert site.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(
    issuer: Issuer, fetcher: Fetcher, tmp_path: Path
) -> None:
    """`tls`: the page may be anybody's."""
    pem = tmp_path / "site.pem"
    pem.write_text(issuer.key_pem + issuer.pem, encoding="utf-8")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with running_site(tls) as secure:
        assert fetch_failure(fetcher, secure.url("/")).reason is Reason.TLS
