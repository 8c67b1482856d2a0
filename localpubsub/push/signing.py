"""The key that signs the tokens of push requests, and what they say.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions. On the real service Google signs; here a
key of our own does, and google-auth verifies with ``id_token.verify_token(token, request, audience,
certs_url=...)``.
"""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

ISSUER: Final = "https://accounts.google.com"

_KEY_FILE: Final = "signing-key.pem"
_CERTIFICATE_FILE: Final = "signing-certificate.pem"


class SigningKey:
    """An RSA key and the certificate that carries its public half; ``kid`` names both."""

    def __init__(self, private: RSAPrivateKey, certificate: bytes) -> None:
        self.private = private
        self.certificate = certificate  #: PEM
        self.kid = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()

    @classmethod
    def made(cls) -> "SigningKey":
        """A new key with a certificate for ten years."""
        private = generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localpubsub")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .sign(private, hashes.SHA256())
        )
        return cls(private, certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def kept(cls, directory: Path | None) -> "SigningKey":
        """The key of a data directory, made at the first need; without a directory, a new one."""
        if directory is None:
            return cls.made()
        key_file, certificate_file = directory / _KEY_FILE, directory / _CERTIFICATE_FILE
        if key_file.exists() and certificate_file.exists():
            private = serialization.load_pem_private_key(key_file.read_bytes(), None)
            assert isinstance(private, RSAPrivateKey)  # noqa: S101 - narrows the type: we wrote the file
            return cls(private, certificate_file.read_bytes())
        key = cls.made()
        certificate_file.write_bytes(key.certificate)
        pem = key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # Under its name only when it is whole: half a key would be the key for good.
        unfinished = key_file.with_suffix(".new")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
        unfinished.replace(key_file)
        return key

    def token(self, email: str, audience: str, now: float, lifetime: int) -> str:
        """A token with the claims of Google's, issued ``now``, for ``lifetime`` seconds."""
        # A service account's unique id: 21 digits that depend on nothing but its email.
        subject = str(10**20 + int(hashlib.sha256(email.encode()).hexdigest(), 16) % 10**20)
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": email,
            "email_verified": True,
            "iat": int(now),
            "exp": int(now) + lifetime,
        }
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.kid})
