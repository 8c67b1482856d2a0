"""Sitemaps of all formats are read over real sockets; errors, hostile and slow responses are reported."""

import gzip

import pytest

from console.stack.ports import free_port
from contract.outcome import Outcome
from contract.reason_meanings import REASON_MEANINGS
from dispatcher.sitemaps.downloads import MAX_REDIRECTS
from dispatcher.sitemaps.reader import MAX_DEPTH, MAX_SITEMAPS
from dispatcher.sources.fetch_errors import IS_TEMPORARY
from dispatcher.sources.source import SourceUnavailable, SourceUnreadable, UnreadPart
from guarded_http.errors import FetchErrorKind
from tests.dispatcher.sitemaps.examples import (
    MAX_BYTES,
    NAMESPACE,
    XML,
    index,
    make_reader,
    read_all,
    read_urls,
    urlset,
)
from tests.servers.site import PendingRequest, Response, Site, http, redirect
from worker.fetch_errors import REASONS

PAGES = ["https://shop.example/1", "https://shop.example/2?a=1"]


@pytest.mark.parametrize(
    "body",
    [
        urlset(*PAGES),
        urlset(*PAGES, namespace=""),
        urlset(*PAGES, namespace=' xmlns="http://www.google.com/schemas/sitemap/0.84"'),
        urlset(*PAGES)
        .replace(b"<url>", b"<s:url>")
        .replace(b"</url>", b"</s:url>")
        .replace(b"<urlset ", f'<urlset xmlns:s="{NAMESPACE}" '.encode()),
        gzip.compress(urlset(*PAGES)),
        urlset(*PAGES).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        b"\xef\xbb\xbf" + urlset(*PAGES),
        urlset(f"<![CDATA[{PAGES[0]}]]>", f"{PAGES[1]}<!-- two -->"),
        urlset(*PAGES).replace(
            b"<lastmod>",
            b'<image:image xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
            b"<image:loc>https://cdn.example/i.png</image:loc></image:image><lastmod>",
        ),
    ],
    ids=["plain", "no namespace", "old namespace", "prefixes", "gzip", "utf-16", "bom", "cdata", "images"],
)
def test_sitemap_pages_are_listed_in_order(site: Site, body: bytes) -> None:
    """The pages of a sitemap are listed in order in every common format; URLs of images are ignored."""
    assert read_urls(site, http(200, body, content_type=XML)) == PAGES


def test_gzip_sitemap_with_gzip_content_encoding_is_read(site: Site) -> None:
    """A sitemap can be read even if it is a gzip file that was compressed once more for the transfer."""
    body = gzip.compress(gzip.compress(urlset(*PAGES)))
    assert read_urls(site, http(200, body, "Content-Encoding: gzip"), "/sitemap.xml.gz") == PAGES


def test_escaped_urls_are_read(site: Site) -> None:
    """Predefined entities and character references, which are common in queries, are decoded."""
    assert read_urls(site, http(200, urlset("https://shop.example/?a=1&amp;b=&#50;"))) == [
        "https://shop.example/?a=1&b=2"
    ]


def test_sitemaps_of_an_index_are_read_in_order(site: Site) -> None:
    """The sitemaps of an index are read in its order, and those of an index within it in its place."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/2.xml.gz", http(200, gzip.compress(urlset("https://shop.example/2"))))
    site.add("/3.xml", http(200, index(site.url("/4.xml"))))
    site.add("/4.xml", http(200, urlset("https://shop.example/4")))
    sitemaps = [site.url(path) for path in ("/2.xml.gz", "/3.xml", "/1.xml")]
    assert read_urls(site, http(200, index(*sitemaps))) == [
        "https://shop.example/2",
        "https://shop.example/4",
        "https://shop.example/1",
    ]


def test_every_listed_sitemap_is_read_once(site: Site) -> None:
    """An index that lists itself, another index or a sitemap again causes one request for each of them."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/back.xml", http(200, index(site.url("/sitemap.xml"), site.url("/1.xml"))))
    listed = [site.url(path) for path in ("/sitemap.xml", "/back.xml", "/1.xml", "/1.xml#again")]
    assert read_urls(site, http(200, index(*listed))) == ["https://shop.example/1"]
    assert sorted(request.path for request in site.requests) == ["/1.xml", "/back.xml", "/sitemap.xml"]


def test_index_is_followed_to_a_maximum_depth(site: Site) -> None:
    """A chain of indexes that never ends is followed to a maximum depth, and its end is reported."""

    def list_next(request: PendingRequest) -> None:
        number = int(request.request.path.partition("?")[2] or 0)
        request.send(http(200, index(f"/s.xml?{number + 1}")))

    with pytest.raises(SourceUnreadable, match=f"more than {MAX_DEPTH} indexes lead to it"):
        read_all(site, list_next, "/s.xml")
    assert len(site.requests) == MAX_DEPTH + 1


def test_sitemaps_of_a_redirected_index_are_resolved_against_its_last_url(site: Site) -> None:
    """Relative URLs in an index are resolved against the URL at which the index was found."""
    site.add("/new/index.xml", http(200, index("1.xml", "/2.xml")))
    site.add("/new/1.xml", http(200, urlset("/page")))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    assert read_urls(site, redirect("/new/index.xml")) == [site.url("/page"), "https://shop.example/2"]


def test_pages_of_other_sitemaps_are_yielded_if_one_cannot_be_read(site: Site) -> None:
    """A listed sitemap that is missing, broken, no sitemap or at no valid URL does not stop the reading."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/html.xml", http(200, b"<!doctype html><html><p>Gone"))
    site.add("/cut.xml", http(200, urlset("https://shop.example/2", "https://shop.example/3")[:-50]))
    site.add("/9.xml", http(200, urlset("https://shop.example/9")))
    paths = ("/1.xml", "/missing.xml", "/html.xml", "/cut.xml", "/9.xml")
    found = read_all(site, http(200, index(*map(site.url, paths), "ftp://shop.example/1.xml")))
    assert [each for each in found if isinstance(each, str)] == [
        f"https://shop.example/{number}" for number in (1, 2, 9)
    ]
    assert {each.url: each.why for each in found if isinstance(each, UnreadPart)} == {
        site.url("/missing.xml"): "the site answered 404",
        site.url("/html.xml"): "not a sitemap: an HTML page",
        site.url("/cut.xml"): "it ends within <urlset>; 1 of its 2 entries have no valid URL",
        "ftp://shop.example/1.xml": f"listed by {site.url('/sitemap.xml')}, "
        "the scheme must be http or https, not 'ftp'",
    }


def test_listed_sitemap_that_fails_once_is_read_at_the_end(site: Site) -> None:
    """A listed sitemap that is temporarily unavailable is requested again after all others."""
    answers = [http(503), http(200, urlset("https://shop.example/1"))]
    site.add("/1.xml", lambda request: request.send(answers.pop(0)))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    found = read_urls(site, http(200, index(site.url("/1.xml"), site.url("/2.xml"))))
    assert found == ["https://shop.example/2", "https://shop.example/1"]


def test_listed_sitemap_that_stays_unavailable_is_reported(site: Site) -> None:
    """A listed sitemap that is unavailable twice is reported, and requested no third time."""
    site.add("/1.xml", http(500))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    found = read_all(site, http(200, index(site.url("/1.xml"), site.url("/2.xml"))))
    assert found == [
        "https://shop.example/2",
        UnreadPart(site.url("/1.xml"), "the site answered 500"),
    ]
    assert len(site.requests_for("/1.xml")) == 2


@pytest.mark.parametrize(("status", "error"), [(404, SourceUnreadable), (500, SourceUnavailable)])
def test_index_of_which_nothing_can_be_read_fails(site: Site, status: int, error: type[Exception]) -> None:
    """If no listed sitemap can be read, the whole fails, and it is temporary if any of them is."""
    site.add("/1.xml", http(404))
    site.add("/2.xml", http(status))
    with pytest.raises(error, match=str(status)):
        read_all(site, http(200, index(site.url("/1.xml"), site.url("/2.xml"))))


def test_sitemaps_beyond_the_maximum_are_reported(site: Site) -> None:
    """The first 500 sitemaps are read, and the number of further ones is reported."""
    site.add("/s.xml", http(200, urlset("https://shop.example/1")))
    listed = [site.url(f"/s.xml?{number}") for number in range(MAX_SITEMAPS + 7)]
    found = read_all(site, http(200, index(*listed)))
    assert found[:-1] == ["https://shop.example/1"] * (MAX_SITEMAPS - 1)
    why = f"8 further sitemaps were not read; the maximum is {MAX_SITEMAPS}"
    assert found[-1] == UnreadPart(site.url("/sitemap.xml"), why)


def test_only_reading_is_counted_in_the_budget(site: Site) -> None:
    """The time between two URLs, in which jobs are published, does not use up the budget."""
    seconds = [0.0]
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    url = site.add("/sitemap.xml", http(200, index(site.url("/1.xml"), site.url("/2.xml"))))
    found = list[object]()
    for each in make_reader(clock=lambda: seconds[0]).urls(url):
        seconds[0] += 10_000
        found.append(each)
    assert found == ["https://shop.example/1", "https://shop.example/2"]


def test_empty_sitemap_lists_no_pages(site: Site) -> None:
    """A sitemap without pages is accepted, and yields no URLs."""
    assert read_urls(site, http(200, urlset())) == []


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
BILLION_LAUGHS = (
    b'<!DOCTYPE urlset [<!ENTITY l0 "ha">' + LAUGHS + b"]><urlset><url><loc>&l9;</loc></url></urlset>"
)
EXTERNAL_ENTITY = (
    b'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<urlset><url><loc>https://shop.example/&x;</loc></url></urlset>"
)


def test_entities_are_not_expanded(site: Site) -> None:
    """A sitemap that declares nested entities, or one that inserts a local file into a URL, is an error."""
    for document in (BILLION_LAUGHS, EXTERNAL_ENTITY):
        with pytest.raises(SourceUnreadable, match="it declares an entity"):
            read_urls(site, http(200, document))


def test_external_dtd_is_not_requested(site: Site) -> None:
    """The sitemap is the only file that is requested, although it names an external DTD."""
    site.add("/evil.dtd", http(200, b'<!ENTITY x "y">'))
    document = (
        f'<!DOCTYPE urlset SYSTEM "{site.url("/evil.dtd")}">'.encode() + urlset(*PAGES).partition(b"?>")[2]
    )
    assert read_urls(site, http(200, document)) == PAGES
    assert [request.path for request in site.requests] == ["/sitemap.xml"]


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        (http(404), "the site answered 404"),
        (http(403), "the site answered 403"),
        (http(204), "the site answered 204"),
        (http(304), "the site answered 304"),
        (http(200, b""), "not a sitemap"),
        (http(200, b"Not found"), "not a sitemap"),
        (http(200, b'{"error": "https://shop.example/"}'), "not a sitemap"),
        (http(200, b"<!doctype html><p>Not found<br>"), "an HTML page"),
        (http(200, b"<html><body><p>Not found</p></body></html>"), "an HTML page"),
        (http(200, b"<error>https://shop.example/1</error>"), "the root element is <error>"),
        (http(200, urlset(*PAGES)[:120]), "it ends within <urlset>"),
        (http(200, gzip.compress(urlset(*PAGES), mtime=0)[:-20]), "invalid gzip"),
        (http(200, b"\x1f\x8b nonsense"), "invalid gzip"),
        (http(200, gzip.compress(bytes(50_000_000), mtime=0)), f"larger than {MAX_BYTES} bytes"),
        (http(200, b" " * (MAX_BYTES + 1)), f"the maximum is {MAX_BYTES}"),
        (http(200, index("ftp://shop.example/1.xml")), "the scheme must be http or https"),
        (http(200, index("http://[broken/1.xml")), "its host or its port is invalid"),
        (redirect("ftp://shop.example/"), "invalid_redirect, redirected to"),
        (redirect("http://[broken/"), "invalid_redirect, redirected to"),
        (redirect("/sitemap.xml"), f"more than {MAX_REDIRECTS} redirects"),
        (redirect("/nowhere"), "the site answered 404"),
    ],
)
def test_response_that_is_not_a_sitemap_is_unreadable(site: Site, response: bytes, detail: str) -> None:
    """A response that is not a sitemap raises `SourceUnreadable` with the cause."""
    with pytest.raises(SourceUnreadable, match=detail):
        read_urls(site, response)


def close_within_body(request: PendingRequest) -> None:
    """Close the connection within the body."""
    request.send(http(200, urlset(*PAGES), length=100_000))


@pytest.mark.parametrize(
    "response",
    [http(408), http(425), http(429), http(500), http(503), lambda _: None, close_within_body],
    ids=["408", "425", "429", "500", "503", "closes", "closes within the body"],
)
def test_temporary_failure_of_the_site_is_unavailable(site: Site, response: Response) -> None:
    """A temporary error or an incomplete sitemap raises `SourceUnavailable`."""
    with pytest.raises(SourceUnavailable, match=r"/sitemap\.xml"):
        read_urls(site, response)


def test_refused_connection_is_unavailable() -> None:
    """A refused connection raises `SourceUnavailable`, since the site may be available later."""
    with pytest.raises(SourceUnavailable):
        list(make_reader().urls(f"http://127.0.0.1:{free_port()}/sitemap.xml"))


def send_header_slowly(request: PendingRequest) -> None:
    """Send a header field byte by byte until the client closes."""
    request.send(b"HTTP/1.1 200 OK\r\nX: ")
    request.send_slowly(b"y" * 60_000)


def send_body_slowly(request: PendingRequest) -> None:
    """Send a body byte by byte until the client closes."""
    request.send(http(200, b"", length=60_000))
    request.send_slowly(b" " * 60_000)


@pytest.mark.parametrize("response", [PendingRequest.wait_until_closed, send_header_slowly, send_body_slowly])
def test_slow_sitemap_is_unavailable_after_its_budget(site: Site, response: Response) -> None:
    """A response that would take 20 minutes raises `SourceUnavailable` when the budget is spent."""
    url = site.add("/sitemap.xml", response)
    with pytest.raises(SourceUnavailable, match="SITEMAP_BUDGET_SECONDS"):
        list(make_reader(0.4).urls(url))


def test_redirect_is_followed_without_reading_its_body(site: Site) -> None:
    """A redirect is followed even if its body never ends."""

    def send_endless_body(request: PendingRequest) -> None:
        request.send(http(301, b"", "Location: /new.xml", length=10**12))
        while True:
            request.send(b"x" * 65536)

    site.add("/new.xml", http(200, urlset(*PAGES)))
    assert read_urls(site, send_endless_body) == PAGES


def test_sitemap_redirect_with_raw_bytes_is_followed(site: Site) -> None:
    """A Location with bytes beyond ASCII is followed, whether they are valid UTF-8 or not."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /caf%s.xml\r\nContent-Length: 0\r\n\r\n"
    site.add("/caf%C3%A9.xml", http(200, urlset(*PAGES)))
    site.add("/caf%E9.xml", http(200, urlset(PAGES[1])))
    assert read_urls(site, moved % "é".encode()) == PAGES
    assert read_urls(site, moved % b"\xe9") == PAGES[1:]


def test_environment_proxy_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sitemap is read directly, even if the environment names a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert read_urls(site, http(200, urlset(*PAGES))) == PAGES


def test_sitemap_at_a_refused_address_is_unreadable(site: Site) -> None:
    """A sitemap is unreadable if it is served from a refused address, redirects to one, or lists one."""
    public_reader = make_reader(networks="")
    with pytest.raises(SourceUnreadable, match="refused_address"):
        list(public_reader.urls(site.add("/sitemap.xml", http(200, urlset(*PAGES)))))
    assert site.connections == 0
    for response in (redirect("http://169.254.169.254/"), http(200, index("http://169.254.169.254/s.xml"))):
        with pytest.raises(SourceUnreadable, match="refused_address"):
            list(make_reader().urls(site.add("/sitemap.xml", response), reads_foreign=True))


@pytest.mark.parametrize("kind", FetchErrorKind)
def test_fetch_error_kind_is_temporary_if_the_worker_retries_it(kind: FetchErrorKind) -> None:
    """A kind of error is temporary for a sitemap exactly if the worker retries a page after it."""
    is_retried = REASON_MEANINGS[REASONS[kind]].outcome is Outcome.RETRY
    assert IS_TEMPORARY[kind] is is_retried


@pytest.mark.parametrize(
    "url", ["http://bob:secret@127.0.0.1/", "//bob:secret@127.0.0.1/", f"http://{'secret' * 300}@127.0.0.1/"]
)
def test_password_of_a_listed_url_is_not_repeated(site: Site, url: str) -> None:
    """A listed sitemap with a password, and one that redirects to such a URL, are reported without it."""
    site.add("/moved.xml", redirect(url))
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    found = read_all(site, http(200, index(url, site.url("/moved.xml"), site.url("/1.xml"))))
    unread = [each for each in found if isinstance(each, UnreadPart)]
    assert len(unread) == 2
    assert "secret" not in str(unread)
    with pytest.raises(SourceUnreadable) as error:
        read_all(site, redirect(url))
    assert "secret" not in str(error.value)
