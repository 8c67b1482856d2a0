"""Signs the OIDC tokens of push requests and sets their claims.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions. On the real service Google signs the
tokens. localpubsub signs them with a generated key, and google-auth verifies them with
``id_token.verify_token(token, request, audience, certs_url=...)``.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

from localpubsub.private_files import make_private_file, private_opener

ISSUER: Final = "https://accounts.google.com"

_KEY_FILE: Final = "signing-key.pem"
_CERTIFICATE_FILE: Final = "signing-certificate.pem"


class SigningKey:
    """An RSA key and the certificate of its public key.

    Attributes:
        private: the private key.
        certificate: the certificate in PEM format.
        kid: the key id, which is the SHA-1 of the certificate in hexadecimal digits.
    """

    def __init__(self, private: RSAPrivateKey, certificate: bytes) -> None:
        self.private = private
        self.certificate = certificate
        self.kid = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a new key with a certificate that is valid for ten years."""
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
    def load_or_create(cls, directory: Path | None) -> "SigningKey":
        """Return the key of a data directory, generated if missing; without a directory, return a new key."""
        if directory is None:
            return cls.generate()
        key_file, certificate_file = directory / _KEY_FILE, directory / _CERTIFICATE_FILE
        if key_file.exists() and certificate_file.exists():
            for existing in (key_file, certificate_file):
                make_private_file(existing)
            private = serialization.load_pem_private_key(key_file.read_bytes(), None)
            assert isinstance(private, RSAPrivateKey)  # noqa: S101 - only narrows the type for mypy
            return cls(private, certificate_file.read_bytes())
        key = cls.generate()
        with open(certificate_file, "wb", opener=private_opener) as file:
            file.write(key.certificate)
        pem = key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # The key is written under another name, and the file is renamed once it is complete: after a crash,
        # an incomplete key file would remain, and could not be loaded.
        unfinished = key_file.with_suffix(".new")
        with open(unfinished, "wb", opener=private_opener) as file:
            file.write(pem)
        unfinished.replace(key_file)
        return key

    def token(self, email: str, audience: str, now: float, lifetime: int) -> str:
        """Return a token with the same claims as Google's.

        Args:
            email: the service account.
            audience: the claim ``aud``.
            now: when the token is issued, in seconds since the epoch.
            lifetime: how long the token is valid, in seconds.
        """
        # The unique id of a service account has 21 digits; localpubsub derives it from the email.
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
