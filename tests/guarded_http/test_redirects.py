"""Redirects are followed up to a maximum, and each URL is checked before it is requested."""

import pytest

from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import follow_redirects, resolve_location
from tests.guarded_http.requesting import SecondsLeft, local_client
from tests.servers.site import Site, http, redirect

PAGE = b"<h1>One</h1>"


def follow(site: Site, path: str, *, max_redirects: int = 3) -> tuple[str, list[str]]:
    """Return the URL whose response was not a redirect, and the URLs given to `before_request`."""
    checked = list[str]()
    with follow_redirects(
        local_client(),
        site.url(path),
        SecondsLeft(60),
        accept="text/html",
        max_redirects=max_redirects,
        before_request=checked.append,
    ) as response:
        assert response.read_body(1000) == PAGE
    return response.url, checked


def test_before_request_is_called_with_each_url(site: Site) -> None:
    """`before_request` gets the URL of every request, so rate limits and robots.txt also cover redirects."""
    site.add("/1", redirect("/2"))
    site.add("/2", redirect("/3#part"))
    site.add("/3", http(200, PAGE))
    urls = [site.url(path) for path in ("/1", "/2", "/3")]
    assert follow(site, "/1") == (urls[-1], urls)
    assert [request.headers["accept"] for request in site.requests] == ["text/html"] * 3


def test_error_of_before_request_ends_the_chain(site: Site) -> None:
    """If `before_request` raises an exception for a redirect's target, the target is not requested."""
    site.add("/1", redirect("/private"))

    def check(url: str) -> None:
        if "private" in url:
            raise PermissionError(url)

    with (
        pytest.raises(PermissionError),
        follow_redirects(
            local_client(),
            site.url("/1"),
            SecondsLeft(60),
            accept="*/*",
            max_redirects=3,
            before_request=check,
        ),
    ):
        pass
    assert [request.path for request in site.requests] == ["/1"]


@pytest.mark.parametrize("max_redirects", [0, 1, 4])
def test_too_many_redirects_end_the_chain(site: Site, max_redirects: int) -> None:
    """After `max_redirects` redirects, no further request is sent; the error names the next URL."""
    site.add("/", redirect("/?again"))
    with pytest.raises(FetchError, match=f"more than {max_redirects} redirects") as failure:
        follow(site, "/", max_redirects=max_redirects)
    assert (failure.value.kind, failure.value.url) == (
        FetchErrorKind.TOO_MANY_REDIRECTS,
        site.url("/?again"),
    )
    assert len(site.requests) == max_redirects + 1


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "http://a.example/b"),
        ("b?x=1", "http://a.example/dir/b?x=1"),
        ("//b.example", "http://b.example/"),
        ("https://b.example/x#part", "https://b.example/x"),
        ("/caf\xc3\xa9", "http://a.example/caf%C3%A9"),
        ("/caf\xe9", "http://a.example/caf%E9"),
        ("/public/%2e%2E/private", "http://a.example/private"),
        ("http://b.example/x/../y/.", "http://b.example/y/"),
        ("\\\\b.example\\x", "http://b.example/x"),
        ("https://stra\xc3\x9fe.example/", "https://xn--strae-oqa.example/"),
    ],
    ids=[
        *("path", "relative", "host", "absolute", "UTF-8", "Latin-1", "encoded dots", "dots", "backslashes"),
        "IDNA",
    ],
)
def test_location_is_resolved_as_browsers_do(location: str, url: str) -> None:
    """A Location is joined to the URL; it is read as UTF-8 if possible, and its dot segments are removed."""
    assert resolve_location("http://a.example/dir/page", location) == url


@pytest.mark.parametrize("location", ["ftp://a.example/", "http://me:pw@a.example/", "http://[broken/"])
def test_location_that_may_not_be_requested_fails_with_invalid_redirect(location: str) -> None:
    """The error for an invalid Location shows the Location and has the URL of the page that redirects."""
    with pytest.raises(FetchError, match="redirected to") as failure:
        resolve_location("http://a.example/", location)
    assert (failure.value.kind, failure.value.url) == (
        FetchErrorKind.INVALID_REDIRECT,
        "http://a.example/",
    )
