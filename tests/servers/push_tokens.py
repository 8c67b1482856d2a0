"""Creates push tokens and the certificates that verify them, with real RSA keys."""

import base64
import hashlib
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.certificates import key_pem, self_signed

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
        self.pem = self_signed(self._key, "127.0.0.1").decode()
        self.kid = hashlib.sha256(self.pem.encode()).hexdigest()[:20]
        self.key_pem = key_pem(self._key).decode()

    def certificates(self) -> bytes:
        """Return the JSON document of the certificate server, which maps the key id to the certificate."""
        return json.dumps({self.kid: self.pem}).encode()

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401 - JSON values
        """Return a token as Pub/Sub sends it, with these header fields and claims; None removes a claim."""
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid} | (header or {})
        return self.sign(json.dumps(head).encode(), json.dumps(claims_of(**claims)).encode())

    def sign(self, header: bytes, claims: bytes) -> str:
        """Return a token with any bytes as its header and claims, and a valid signature."""
        signed = f"{segment(header)}.{segment(claims)}"
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
