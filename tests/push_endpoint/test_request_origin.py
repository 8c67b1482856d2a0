"""Tests which requests a service refuses because a web page may have sent them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

import localpubsub.request_origin
from push_endpoint.request_origin import ANY_HOST, request_refusal

NAMES = frozenset({"worker", "scrape.example.org"})
SETTING = "ALLOWED_HOSTS"
OWN_HOSTS = [
    "localhost", "localhost:8080", "LOCALHOST:8080", "localhost.", "shop.localhost:8080", "127.0.0.1",
    "127.0.0.1:8080", "127.255.1.2:80", "[::1]:8080", "[::1]", "10.0.0.7:8080", "worker", "worker:8080",
    "WORKER:8080", "scrape.example.org", "scrape.example.org.:443",
]  # fmt: skip
FOREIGN_HOSTS = [
    "", "evil.example", "evil.example:8080", "evil.example:127.0.0.1", "127.0.0.1.evil.example",
    "localhost.evil.example", "notlocalhost", "evillocalhost:80", "my.worker", "example.org",
    "127.0.0.1:80:80", "[::1", "[evil.example]", "localhost@evil.example", "localhost, evil.example",
    "localhost evil.example", "2130706433", "0x7f.1",
]  # fmt: skip


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_request_for_an_own_name_or_an_address_is_served(host: str) -> None:
    """A program may use localhost, a name below it, an address, or an allowed name, with any port."""
    assert request_refusal({"host": host}, NAMES, SETTING) == ""


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_request_for_a_foreign_name_is_refused(host: str) -> None:
    """A Host header that is missing, malformed, or another name is refused, and the setting is named."""
    why = request_refusal({"host": host}, NAMES, SETTING)
    assert f"{host!r}, which is no name of this server" in why
    assert "add the name to ALLOWED_HOSTS" in why


@pytest.mark.parametrize("host", [*OWN_HOSTS, "evil.example"])
def test_any_host_allows_every_name(host: str) -> None:
    """With `*` the Host header is not checked, as on Cloud Run."""
    assert request_refusal({"host": host}, {ANY_HOST}, SETTING) == ""


@pytest.mark.parametrize(
    "origin", ["http://localhost:8080", "HTTP://LocalHost:8080", "https://localhost:8080"]
)
def test_request_of_the_own_page_is_served(origin: str) -> None:
    """The origin of a page that the server itself served is accepted."""
    headers = {"host": "localhost:8080", "origin": origin, "sec-fetch-site": "same-origin"}
    assert request_refusal(headers, (), SETTING) == ""


@pytest.mark.parametrize(
    "origin",
    ["null", "http://localhost", "http://localhost:9090", "http://127.0.0.1:8080", "http://evil.localhost:8080",
     "https://evil.example", "file://", "chrome-extension://abc", "localhost:8080", "x"],
)  # fmt: skip
@pytest.mark.parametrize("allowed", [frozenset[str](), frozenset({ANY_HOST})])
def test_request_of_another_origin_is_refused(origin: str, allowed: frozenset[str]) -> None:
    """A request whose Origin is not the requested host and port is refused, even if any host is allowed."""
    why = request_refusal({"host": "localhost:8080", "origin": origin}, allowed, SETTING)
    assert "a web page of another origin" in why
    assert repr(origin) in why


@pytest.mark.parametrize(("site", "is_refused"), [("cross-site", True), ("same-site", True), ("none", False)])
def test_request_that_another_site_began_is_refused(site: str, *, is_refused: bool) -> None:
    """A link, image or script of another site is refused; an address that the user typed is not."""
    why = request_refusal({"host": "localhost:8080", "sec-fetch-site": site}, (), SETTING)
    assert ("a web page of another site" in why) == is_refused


VALUES = st.text(st.characters(exclude_characters="\r\n"), max_size=20)  # no server passes line ends on
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Host": st.sampled_from([*OWN_HOSTS, *FOREIGN_HOSTS]) | VALUES,
        "Origin": st.sampled_from(["null", "http://worker", "http://127.0.0.1:8080"]) | VALUES,
        "Sec-Fetch-Site": st.sampled_from(["cross-site", "same-site", "same-origin", "none"]),
    },
)


@given(headers=HEADERS.map(Headers), allowed=st.sampled_from([(), NAMES, {ANY_HOST}]))
def test_localpubsub_has_the_same_rules(headers: Headers, allowed: frozenset[str]) -> None:
    """localpubsub, which imports no other package, gives the same answer for every request."""
    expected = request_refusal(headers, allowed, SETTING)
    assert localpubsub.request_origin.request_refusal(headers, allowed, SETTING) == expected
