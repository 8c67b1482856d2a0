"""TLS connections go to a checked address, but the certificate is checked against the host's name."""

import ssl
from pathlib import Path

import pytest

from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.errors import FetchErrorKind
from tests.guarded_http.requesting import get_body, get_error, local_client, trusting_client
from tests.servers.certificates import CertificateAuthority
from tests.servers.fake_resolver import FakeResolver
from tests.servers.site import PendingRequest, http, running_site

PAGE = b"<h1>One</h1>"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """The certificate authority of the sites in this file."""
    return CertificateAuthority()


@pytest.fixture
def client(authority: CertificateAuthority) -> HttpClient:
    """A client that trusts only the authority, and resolves every name to this machine."""
    return trusting_client(authority)


def test_sni_host_and_certificate_use_the_name(
    authority: CertificateAuthority, client: HttpClient, tmp_path: Path
) -> None:
    """SNI, the Host header and the certificate use the host's name, not the address of the connection."""
    tls = authority.server(tmp_path, "shop.example")
    server_names = list[str | None]()
    tls.sni_callback = lambda _, name, __: server_names.append(name)
    with running_site(tls) as site:
        site.add("/", http(200, PAGE))
        for host in ("shop.example", "shop.example."):
            assert get_body(client, f"https://{host}:{site.port}/") == PAGE
        assert site.requests[0].headers["host"] == f"shop.example:{site.port}"
    assert server_names == ["shop.example", "shop.example"]


@pytest.mark.parametrize(
    ("name", "days", "host"),
    [
        ("other.example", 30, "shop.example"),
        ("shop.example", -1, "shop.example"),
        ("*.example", 30, "a.shop.example"),
        ("shop.example", 30, "127.0.0.1"),
    ],
    ids=["another name", "expired", "wildcard of one level", "address"],
)
def test_certificate_of_another_host_is_refused(  # noqa: PLR0917 - pytest passes fixtures as arguments
    authority: CertificateAuthority, client: HttpClient, tmp_path: Path, name: str, days: int, host: str
) -> None:
    """If the certificate is not valid for the host, the error is `tls` and no request is sent."""
    with running_site(authority.server(tmp_path, name, days=days)) as site:
        site.add("/", http(200, PAGE))
        error = get_error(client, f"https://{host}:{site.port}/")
        assert (error.kind, site.requests) == (FetchErrorKind.TLS, [])


def test_certificate_of_unknown_authority_is_refused(authority: CertificateAuthority, tmp_path: Path) -> None:
    """A certificate of an authority that browsers do not trust is refused by default."""
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        client = local_client(FakeResolver(["127.0.0.1"]))
        error = get_error(client, f"https://shop.example:{site.port}/")
        assert error.kind is FetchErrorKind.TLS


def test_tls_context_gets_no_further_authorities(authority: CertificateAuthority, tmp_path: Path) -> None:
    """After a request the TLS context trusts only its one authority; the client adds none."""
    context = authority.client()
    dialer = Dialer(parse_networks("127.0.0.0/8"), FakeResolver(["127.0.0.1"]))
    client = HttpClient("scrapeq/test", dialer, tls_context=lambda: context)
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        site.add("/", http(200, PAGE))
        assert get_body(client, f"https://shop.example:{site.port}/") == PAGE
    assert context.cert_store_stats()["x509_ca"] == 1


def test_tls_1_1_is_refused(authority: CertificateAuthority, client: HttpClient, tmp_path: Path) -> None:
    """A server that supports only TLS 1.1 is refused, since TLS below 1.2 is deprecated (RFC 8996)."""
    old = authority.server(tmp_path, "shop.example")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with running_site(old) as site:
        assert get_error(client, f"https://shop.example:{site.port}/").kind is FetchErrorKind.TLS


def test_tls_connection_is_reused_and_slow_body_ends_with_the_deadline(
    authority: CertificateAuthority, client: HttpClient, tmp_path: Path
) -> None:
    """Over TLS, three requests share one connection, and a slow body is ended by the deadline."""

    def send_body_slowly(visit: PendingRequest) -> None:
        visit.send(http(200, b"", length=1000))
        visit.send_slowly(b"x" * 1000)

    with running_site(authority.server(tmp_path, "shop.example")) as site:
        url = f"https://shop.example:{site.port}"
        site.add("/", http(200, PAGE))
        for _ in range(3):
            assert get_body(client, f"{url}/") == PAGE
        assert site.connections == 1
        site.add("/slow", send_body_slowly)
        with pytest.raises(TimeoutError, match="the deadline has passed"):
            get_body(client, f"{url}/slow", seconds=0.3)
