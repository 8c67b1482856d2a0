"""The signing key and its tokens."""

import asyncio
import stat
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from localpubsub.clock import Clock
from localpubsub.push.signing import SigningKey
from localpubsub.push.tokens import LIFETIME, RENEW, Tokens


class StandingClock(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_800_000_000.0

    def wall(self) -> float:
        """The time it was set to."""
        return self.time


def test_the_key_survives_a_restart(tmp_path: Path) -> None:
    """A worker that has cached the certificates goes on verifying."""
    first, second = SigningKey.kept(tmp_path), SigningKey.kept(tmp_path)
    assert (first.kid, first.certificate) == (second.kid, second.certificate)
    assert first.private.private_numbers() == second.private.private_numbers()


def test_nobody_else_may_read_the_key(tmp_path: Path) -> None:
    """Whoever has it can push to the worker."""
    SigningKey.kept(tmp_path)
    assert stat.S_IMODE((tmp_path / "signing-key.pem").stat().st_mode) == 0o600


def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    """As Google's: one signature for an hour of pushes, and never one that runs out on the way."""
    clock = StandingClock()

    async def scenario() -> list[str]:
        tokens = Tokens(None, clock)
        found = []
        for seconds in (0, LIFETIME - RENEW - 1, 2):
            clock.time += seconds
            found.append(await tokens.bearer("a@b.example", "audience"))
        found.append(await tokens.bearer("a@b.example", "another"))
        return found

    first, second, third, other = asyncio.run(scenario())
    assert first == second
    assert len({first, third, other}) == 3


def test_the_published_certificate_verifies_the_token() -> None:
    """What is served under the token's kid carries the key that signed it."""

    async def scenario() -> tuple[str, dict[str, str]]:
        tokens = Tokens(None, Clock())
        return await tokens.bearer("a@b.example", "audience"), await tokens.certificates()

    token, certificates = asyncio.run(scenario())
    pem = certificates[jwt.get_unverified_header(token)["kid"]]
    key = load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="audience")
    assert claims["email"] == "a@b.example"
