"""Tests how the cookies of a response are read. Warnings of the library fail these tests."""

import pytest

from guarded_http.cookies import FetchCookies
from guarded_http.response_head import HeaderFields

URL = "http://shop.example/"


def kept(*responses: list[str]) -> str:
    """Return the Cookie header after responses with these Set-Cookie fields."""
    cookies = FetchCookies()
    for fields in responses:
        cookies.take_from(URL, HeaderFields({"set-cookie": fields}))
    return cookies.header(URL)


@pytest.mark.parametrize(
    "attribute",
    [
        "Expires=01-Jan-" + "1" * 5000,
        "Max-Age=" + "9" * 400,
        "Max-Age",
        "Max-Age=",
        "Max-Age=soon",
        "port; version=1; max-age",
    ],
)
def test_unreadable_lifetime_is_ignored(attribute: str) -> None:
    """A lifetime that is no date or number changes nothing, and the other cookies are kept."""
    assert kept([f"a=1; {attribute}; Path=/", "b=2"]) == "a=1; b=2"


@pytest.mark.parametrize("attribute", ["Expires=Thu, 01 Jan 1970 00:00:00 GMT", "max-age=0", "Max-Age = -1"])
def test_expired_cookie_is_not_sent(attribute: str) -> None:
    """A lifetime that is over deletes the cookie, as in browsers."""
    assert kept(["a=1", "b=2"], [f"a=; {attribute}"]) == "b=2"


def test_cookie_for_all_sites_of_a_country_is_not_kept() -> None:
    """A cookie for a domain like co.uk, below which everybody registers names, is sent to no site."""
    cookies = FetchCookies()
    fields = {"set-cookie": ["a=1; Domain=co.uk", "b=2; Domain=shop.co.uk"]}
    cookies.take_from("http://shop.co.uk/", HeaderFields(fields))
    assert cookies.header("http://bank.co.uk/") == ""
    assert cookies.header("http://www.shop.co.uk/") == "b=2"
