"""TLS: the certificate is the named host's, although the connection goes to a checked address."""

import ssl
from pathlib import Path

import pytest

from contract.outcome import Reason
from guarded_http.client import HttpClient
from tests.servers.certificates import CertificateAuthority
from tests.servers.site import PendingRequest, http, running_site
from tests.worker.fetching import ANYHOW, a_fetcher, a_trusting_fetcher, ended
from worker.budget import PageBudget
from worker.fetch import Fetcher

PAGE = b"<h1>One</h1>"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """Whoever vouches for the sites here."""
    return CertificateAuthority()


@pytest.fixture
def trusting(authority: CertificateAuthority) -> Fetcher:
    """A fetcher that trusts the authority, and finds every name on this machine."""
    return a_trusting_fetcher(authority)


def test_a_site_is_asked_and_checked_by_its_name(
    authority: CertificateAuthority, trusting: Fetcher, tmp_path: Path
) -> None:
    """SNI, Host and certificate are about the name; the connection goes to the address that was checked."""
    tls = authority.server(tmp_path, "shop.example")
    named = list[str | None]()
    tls.sni_callback = lambda _, name, __: named.append(name)
    with running_site(tls) as site:
        site.add("/", http(200, PAGE))
        for host in ("shop.example", "shop.example."):
            page = trusting.fetch(f"https://{host}:{site.port}/", ANYHOW, PageBudget(10))
            assert page.body == PAGE
        assert site.requests[0].headers["host"] == f"shop.example:{site.port}"
    assert named == ["shop.example", "shop.example"]


@pytest.mark.parametrize(
    ("name", "days", "host"),
    [
        ("other.example", 30, "shop.example"),
        ("shop.example", -1, "shop.example"),
        ("*.example", 30, "a.shop.example"),
        ("shop.example", 30, "127.0.0.1"),
    ],
    ids=["another name", "expired", "a wildcard of one level", "an address"],
)
def test_a_certificate_that_is_not_the_hosts_is_refused(  # noqa: PLR0917 - a fixture is an argument
    authority: CertificateAuthority, trusting: Fetcher, tmp_path: Path, name: str, days: int, host: str
) -> None:
    """`tls`, and nothing is asked."""
    with running_site(authority.server(tmp_path, name, days=days)) as site:
        site.add("/", http(200, PAGE))
        end = ended(trusting, f"https://{host}:{site.port}/")
        assert (end.reason, site.requests) == (Reason.TLS, [])


def test_an_authority_that_nobody_knows_is_refused(authority: CertificateAuthority, tmp_path: Path) -> None:
    """What browsers do not trust, we do not."""
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        end = ended(a_fetcher(resolve=lambda _: ["127.0.0.1"]), f"https://shop.example:{site.port}/")
        assert end.reason is Reason.TLS


def test_nobody_is_trusted_whom_the_context_does_not_know(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    """By itself requests adds its own authorities to the context, at each connection again."""
    context = authority.client()
    fetcher = a_fetcher(
        web=lambda dial: HttpClient("scrapeq/test", dial, tls_context=lambda: context),
        resolve=lambda _: ["127.0.0.1"],
    )
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        site.add("/", http(200, PAGE))
        assert fetcher.fetch(f"https://shop.example:{site.port}/", ANYHOW, PageBudget(10)).body == PAGE
    assert context.cert_store_stats()["x509_ca"] == 1


def test_old_tls_is_refused(authority: CertificateAuthority, trusting: Fetcher, tmp_path: Path) -> None:
    """Below TLS 1.2 (RFC 8996)."""
    old = authority.server(tmp_path, "shop.example")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with running_site(old) as site:
        assert ended(trusting, f"https://shop.example:{site.port}/").reason is Reason.TLS


def test_connections_are_kept_and_drips_end_over_tls_too(
    authority: CertificateAuthority, trusting: Fetcher, tmp_path: Path
) -> None:
    """The same deadline, the same connection for the next page."""

    def drip(visit: PendingRequest) -> None:
        visit.send(http(200, b"", length=1000))
        visit.send_slowly(b"x" * 1000)

    with running_site(authority.server(tmp_path, "shop.example")) as site:
        url = f"https://shop.example:{site.port}"
        site.add("/", http(200, PAGE))
        for _ in range(3):
            assert trusting.fetch(f"{url}/", ANYHOW, PageBudget(10)).body == PAGE
        assert site.connections == 1
        site.add("/slow", drip)
        assert ended(trusting, f"{url}/slow", budget=PageBudget(0.3)).reason is Reason.PAGE_BUDGET_EXCEEDED
