"""Tests which names are of one registrable domain; `test_resolver.py` tests the places themselves."""

import pytest

from guarded_http.lookup_places import registrable_domain


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("www.example.co.uk", "example.co.uk"),
        ("shop.someone.github.io", "someone.github.io"),
        ("www.shop.unknown-tld", "shop.unknown-tld"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("co.uk", "co.uk"),
        ("intranet", "intranet"),
        ("_dmarc.a_b.example.com", "example.com"),
        ("a..b", "a..b"),
    ],
)
def test_registrable_domain_follows_the_public_suffix_list(host: str, domain: str) -> None:
    """A host belongs to the domain that was registered below a public suffix; other names stand alone."""
    assert registrable_domain(host) == domain
