"""Tests fetching pages over real sockets: statuses, redirects, content types and request headers."""

from pathlib import Path

import pytest

from console.stack.ports import free_port
from contract.outcome import Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from guarded_http.errors import FetchErrorKind
from tests.servers.certificates import CertificateAuthority
from tests.servers.site import PendingRequest, Response, Site, http, redirect, running_site
from tests.worker.fetching import RESPECT_ROBOTS, fetch, fetch_failure, make_fetcher
from worker.fetch import Fetcher, reason_of
from worker.fetch_errors import REASONS
from worker.page import FetchedPage

PAGE = b"<h1>One</h1>"


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher that follows at most three redirects."""
    return make_fetcher(max_redirects=3)


@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_2xx_with_a_body_returns_a_page(site: Site, fetcher: Fetcher, status: int) -> None:
    """The page of a 2xx response has the body, the status and the Content-Type that the site sent."""
    page = fetch(fetcher, site.add("/", http(status, PAGE)))
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
def test_other_status_fails_with_its_reason(
    site: Site, fetcher: Fetcher, status: int, reason: Reason
) -> None:
    """The error of any other status has the status's reason, the status and the URL."""
    url = site.add("/", http(status, b""))
    failure = fetch_failure(fetcher, url)
    assert (failure.reason, failure.http_status, failure.final_url) == (reason, status, url)


def test_every_status_has_a_reason_that_does_not_acknowledge() -> None:
    """Each status from 100 to 599 has a reason with the outcome `retry` or `failed`."""
    outcomes = {status: REASON_MEANINGS[reason_of(status)].outcome for status in range(100, 600)}
    assert set(outcomes.values()) == {Outcome.RETRY, Outcome.FAILED}


@pytest.mark.parametrize("kind", FetchErrorKind)
def test_every_fetch_error_kind_has_a_reason_that_does_not_acknowledge(kind: FetchErrorKind) -> None:
    """Each error kind of the HTTP client has a reason with the outcome `retry` or `failed`."""
    assert REASON_MEANINGS[REASONS[kind]].outcome in {Outcome.RETRY, Outcome.FAILED}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_to_the_page(site: Site, fetcher: Fetcher, status: int) -> None:
    """Relative and absolute redirects are followed; the page's URL is the last URL, without its fragment."""
    site.add("/1", redirect("2", status))
    site.add("/2", redirect(site.url("/deep/3#part"), status))
    site.add("/deep/3", redirect("?x=1", status))
    site.add("/deep/3?x=1", http(200, PAGE))
    assert fetch(fetcher, site.url("/1")).url == site.url("/deep/3?x=1")


def test_redirect_loop_fails_with_too_many_redirects(site: Site, fetcher: Fetcher) -> None:
    """A redirect loop fails after `max_redirects` + 1 requests; the error has the URL of the next request."""
    url = site.add("/loop", redirect("/loop"))
    failure = fetch_failure(fetcher, url)
    assert (failure.reason, failure.final_url) == (Reason.TOO_MANY_REDIRECTS, url)
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
def test_redirect_to_a_forbidden_url_fails_with_bad_url(site: Site, fetcher: Fetcher, target: str) -> None:
    """A redirect to another scheme, to a URL with credentials or to an invalid URL fails with `bad_url`."""
    url = site.add("/", redirect(target))
    failure = fetch_failure(fetcher, url)
    assert (failure.reason, failure.final_url) == (Reason.BAD_URL, url)


def test_redirect_with_raw_bytes_is_followed(site: Site, fetcher: Fetcher) -> None:
    """Each byte beyond ASCII in Location is percent-encoded, whether the bytes are valid UTF-8 or not."""
    site.add("/latin", b"HTTP/1.1 302 Found\r\nLocation: /caf\xe9\r\nContent-Length: 0\r\n\r\n")
    site.add("/utf", b"HTTP/1.1 302 Found\r\nLocation: /caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    site.add("/caf%E9", http(200, PAGE))
    site.add("/caf%C3%A9", http(200, PAGE))
    assert fetch(fetcher, site.url("/latin")).url == site.url("/caf%E9")
    assert fetch(fetcher, site.url("/utf")).url == site.url("/caf%C3%A9")


def test_body_of_a_redirect_is_not_read(site: Site, fetcher: Fetcher) -> None:
    """A redirect is followed even if its body never ends."""

    def send_endless_body(request: PendingRequest) -> None:
        request.send(http(302, b"", "Location: /page", length=10**12))
        while True:
            request.send(b"x" * 65536)

    site.add("/page", http(200, PAGE))
    assert fetch(fetcher, site.add("/", send_endless_body)).body == PAGE


def test_refused_connection_fails_with_connect(fetcher: Fetcher) -> None:
    """If no process listens on the port, the reason is `connect`."""
    failure = fetch_failure(fetcher, f"http://127.0.0.1:{free_port()}/")
    assert failure.reason is Reason.CONNECT


def test_unknown_host_fails_with_dns(fetcher: Fetcher) -> None:
    """A fetch fails with `dns` if the host has no address; names in `.invalid` never have one (RFC 6761)."""
    assert fetch_failure(fetcher, "http://nowhere.invalid/").reason is Reason.DNS


def send_other_protocol(request: PendingRequest) -> None:
    """Send a line of another protocol."""
    request.send(b"SSH-2.0-OpenSSH_9.9\r\n")


def send_endless_header(request: PendingRequest) -> None:
    """Send header fields until the client closes."""
    request.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.send(b"X: " + b"y" * 1000 + b"\r\n")


def send_endless_header_field(request: PendingRequest) -> None:
    """Send one header field until the client closes."""
    request.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        request.send(b"y" * 65536)


@pytest.mark.parametrize(
    "response",
    [
        lambda _: None,
        PendingRequest.reset,
        send_other_protocol,
        send_endless_header,
        send_endless_header_field,
    ],
    ids=["closes", "resets", "other protocol", "endless header", "endless field"],
)
def test_response_without_a_valid_header_fails_with_connect(
    site: Site, fetcher: Fetcher, response: Response
) -> None:
    """A missing, invalid or endless response header fails with `connect`, and the error has a detail."""
    failure = fetch_failure(fetcher, site.add("/", response))
    assert (failure.reason, failure.final_url) == (Reason.CONNECT, site.url("/"))
    assert failure.detail


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
        # These are no media types, or say nothing (https://mimesniff.spec.whatwg.org/).
        "html",
        "none",
        ";",
        "text/",
        "charset=utf-8",
        "unknown/unknown",
        "application/unknown",
        "*/*",
        # Of several, the last one counts.
        "image/png, text/html; charset=utf-8",
        "text/html, */*",
    ],
)
def test_content_type_that_can_be_extracted_is_read(site: Site, fetcher: Fetcher, content_type: str) -> None:
    """HTML, XHTML, XML, JSON and text are accepted, and so is a page without a valid Content-Type."""
    page = fetch(fetcher, site.add("/", http(200, PAGE, content_type=content_type)))
    assert (page.body, page.content_type) == (PAGE, content_type.strip())


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/pdf", "image/png", "application/jsonish", "application/octet-stream"),
        *("multipart/mixed", "multipart/x-mixed-replace; boundary=x", "text/html, image/png"),
    ],
)
def test_other_content_type_fails_before_its_body(site: Site, fetcher: Fetcher, content_type: str) -> None:
    """A page of another content type fails with `content_type`, and the error names the type."""
    failure = fetch_failure(fetcher, site.add("/", http(200, PAGE, content_type=content_type)))
    assert (failure.reason, failure.http_status) == (Reason.CONTENT_TYPE, 200)
    assert content_type in failure.detail


def test_cookies_are_kept_from_redirect_to_redirect_only(site: Site, fetcher: Fetcher) -> None:
    """A cookie that a redirect sets is sent to its target, and never with the request for another page."""
    site.add("/login", http(302, b"", "Set-Cookie: session=1; Path=/", "Location: /page"))
    site.add("/page", http(200, PAGE, "Set-Cookie: page=1"))
    fetch(fetcher, site.url("/login"))
    fetch(fetcher, site.url("/page"))
    sent = [(request.path, request.headers.get("cookie")) for request in site.requests]
    assert sent == [("/login", None), ("/page", "session=1"), ("/page", None)]


def test_cookie_wall_is_passed(site: Site, fetcher: Fetcher) -> None:
    """A page that redirects to itself until it gets its cookie is fetched."""

    def check_cookie(request: PendingRequest) -> None:
        has_cookie = "seen=1" in request.request.headers.get("cookie", "")
        request.send(
            http(200, PAGE) if has_cookie else http(302, b"", "Set-Cookie: seen=1", "Location: /wall")
        )

    assert fetch(fetcher, site.add("/wall", check_cookie)).body == PAGE


def test_cookies_are_bounded_and_sent_to_their_site_only(site: Site, fetcher: Fetcher) -> None:
    """At most 50 cookies and 16 KiB of them are kept; cookies for other hosts, paths or TLS are not sent."""
    fields = [
        "Set-Cookie: other=1; Domain=other.example",
        "Set-Cookie: secure=1; Secure",
        "Set-Cookie: path=1; Path=/elsewhere",
        f"Set-Cookie: long={'x' * 5000}",
        *(f"Set-Cookie: c{number}={'y' * 100}" for number in range(70)),
    ]
    site.add("/", http(302, b"", *fields, "Location: /page"))
    site.add("/page", http(200, PAGE))
    fetch(fetcher, site.url("/"))
    names = {pair.partition("=")[0] for pair in site.requests[-1].headers["cookie"].split("; ")}
    assert names <= {f"c{number}" for number in range(70)}
    assert 45 <= len(names) <= 50


REAL = b"<h1>Real</h1>"


@pytest.mark.parametrize(
    ("first", "fields"),
    [
        (b'<meta http-equiv="refresh" content="0; url=/real">', []),
        (b"<META HTTP-EQUIV=Refresh CONTENT='0;URL=\"/real\"'>", []),
        (b"<meta http-equiv=refresh content=\"5, url='/real' \">", []),
        (b"<meta http-equiv=refresh content='0 /real'>", []),
        (b"<meta http-equiv=refresh content='1.5;url=\\real'>", []),
        (b"<meta http-equiv=refresh content='0;url=/r&#101;al'>", []),
        (b"<html><head><meta charset=utf-16><meta http-equiv=refresh content='0;real'></head>", []),
        (b"<h1>Moved</h1>", ["Refresh: 0; url=/real"]),
    ],
)
def test_refresh_with_a_small_delay_is_followed(
    site: Site, fetcher: Fetcher, first: bytes, fields: list[str]
) -> None:
    """A page that refreshes to another URL within 5 seconds is a redirect, by `<meta>` or by header."""
    site.add("/real", http(200, REAL))
    page = fetch(fetcher, site.add("/", http(200, first, *fields)))
    assert (page.url, page.body) == (site.url("/real"), REAL)


@pytest.mark.parametrize(
    "body",
    [
        b"<meta http-equiv=refresh content='6; url=/real'>",
        b"<meta http-equiv=refresh content='300'>",
        b"<meta http-equiv=refresh content='0'>",
        b"<meta http-equiv=refresh content='0; url='>",
        b"<meta http-equiv=refresh content='0; url=/'>",
        b"<meta http-equiv=refresh content='url=/real'>",
        b"<noscript><meta http-equiv=refresh content='0; url=/real'></noscript>",
        b"<!-- <meta http-equiv=refresh content='0; url=/real'> -->",
        b"<script>'<meta http-equiv=refresh content=\"0; url=/real\">'</script>",
        b"<meta name=refresh content='0; url=/real'>",
    ],
)
def test_page_that_does_not_refresh_at_once_is_the_page(site: Site, fetcher: Fetcher, body: bytes) -> None:
    """A refresh after more than 5 seconds, to the page itself, or for browsers without scripts is ignored."""
    assert fetch(fetcher, site.add("/", http(200, body))).body == body


def test_refresh_of_another_media_type_is_ignored(site: Site, fetcher: Fetcher) -> None:
    """Only HTML refreshes: the text of a JSON page that contains such a `<meta>` does not."""
    body = b'{"html": "<meta http-equiv=refresh content=\'0; url=/real\'>"}'
    page = fetch(fetcher, site.add("/", http(200, body, content_type="application/json")))
    assert page.body == body


def test_refresh_is_checked_like_a_redirect(site: Site, fetcher: Fetcher) -> None:
    """A refresh obeys robots.txt, keeps cookies, is counted, and does not lead to a forbidden URL."""
    refresh = b"<meta http-equiv=refresh content='0; url=%s'>"
    site.add("/robots.txt", http(200, b"User-agent: *\nDisallow: /private", content_type="text/plain"))
    site.add("/private", http(200, REAL))
    failure = fetch_failure(
        fetcher, site.add("/1", http(200, refresh % b"/private")), politeness=RESPECT_ROBOTS
    )
    assert failure.reason is Reason.ROBOTS_DISALLOWED
    site.add("/real", http(200, REAL))
    fetch(fetcher, site.add("/2", http(200, refresh % b"/real", "Set-Cookie: a=1")))
    assert site.requests_for("/real")[0].headers["cookie"] == "a=1"
    site.add("/b", http(200, refresh % b"/a"))
    failure = fetch_failure(fetcher, site.add("/a", http(200, refresh % b"/b")))
    assert failure.reason is Reason.TOO_MANY_REDIRECTS
    failure = fetch_failure(fetcher, site.add("/4", http(200, refresh % b"ftp://shop.example/")))
    assert (failure.reason, failure.final_url) == (Reason.BAD_URL, site.url("/4"))


def test_environment_proxy_and_netrc_are_not_used(
    site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Requests do not use the proxies of the environment or the passwords of .netrc."""
    # Given an environment with a proxy that does not exist, and a password for the site's host
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    # When a page is fetched
    fetch(fetcher, site.add("/", http(200, PAGE)))
    # Then the site itself received the request, without the password
    assert "authorization" not in site.requests[0].headers


def test_request_has_user_agent_accept_and_accept_encoding(site: Site, fetcher: Fetcher) -> None:
    """Each request states the User-Agent, the accepted content types and the codings that can be decoded."""
    fetch(fetcher, site.add("/", http(200, PAGE)))
    headers = site.requests[0].headers
    assert headers["user-agent"] == "scrapeq/test"
    assert headers["accept"].startswith("text/html")
    assert "gzip" in headers["accept-encoding"]


def test_certificate_of_unknown_authority_fails_with_tls(fetcher: Fetcher, tmp_path: Path) -> None:
    """A site whose certificate is not from a trusted authority fails with `tls`."""
    tls = CertificateAuthority().server(tmp_path, "127.0.0.1")
    with running_site(tls) as secure_site:
        assert fetch_failure(fetcher, secure_site.url("/")).reason is Reason.TLS
