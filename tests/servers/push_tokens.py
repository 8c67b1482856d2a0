"""Creates push tokens and the certificates that verify them, with real RSA keys."""

import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

AUDIENCE = "https://worker.example/"
ACCOUNT = "push@project.iam.gserviceaccount.com"


def segment(value: object) -> str:
    """Return one segment of a token: base64url without padding (RFC 7515 section 2)."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs push tokens; each issuer has a separate RSA key.

    Attributes:
        kid: id of the key, which is the field `kid` of each token's header.
        pem: the certificate of the key (PEM).
        key_pem: the private key (PEM, PKCS #8).
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.kid = hashlib.sha256(self.pem.encode()).hexdigest()[:20]
        self.key_pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def certificates(self) -> bytes:
        """Return the JSON document of the certificate server, which maps the key id to the certificate."""
        return json.dumps({self.kid: self.pem}).encode()

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401 - JSON values
        """Return a token as Pub/Sub sends it, with these header fields and claims; None removes a claim."""
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid} | (header or {})
        signed = f"{segment(head)}.{segment(claims_of(**claims))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{segment(signature)}"


def claims_of(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Return the claims of a push token, with the given claims changed; None removes a claim."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "112233445566778899000",
        "sub": "112233445566778899000",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}
