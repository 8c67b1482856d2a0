"""Makes certificates for tests: self-signed ones, and those of an authority that HTTPS sites use."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PEM (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def self_signed(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, *, address: IPv4Address | None = None
) -> bytes:
    """Return a certificate of `key` (PEM), valid for one day.

    Args:
        key: the key that the certificate contains and that signs it.
        name: the common name.
        address: the address of the server that uses the certificate; None if no server uses it.
    """
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if address is not None:
        alternatives = x509.SubjectAlternativeName([x509.IPAddress(address)])
        builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class CertificateAuthority:
    """Signs the certificates of sites; each authority has a separate key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._certificate("tests", self._key, days=30, names=(), is_authority=True)

    def client(self) -> ssl.SSLContext:
        """Return a client context that trusts only this authority."""
        return ssl.create_default_context(cadata=self.pem())

    def pem(self) -> str:
        """Return the certificate of this authority."""
        return self._own.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, folder: Path, *names: str, days: int = 30) -> ssl.SSLContext:
        """Return a server context with a certificate for `names`, valid for `days` (negative: expired)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(names[0], key, days=days, names=names)
        pem = folder / f"{names[0]}.pem"
        pem.write_bytes(key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _certificate(
        self,
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: int,
        names: tuple[str, ...],
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("tests"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256())
