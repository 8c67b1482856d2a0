"""Tests of the signing key and the OIDC tokens of push requests."""

import asyncio
import stat
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from localpubsub.clock import Clock
from localpubsub.push.signing import SigningKey
from localpubsub.push.tokens import LIFETIME, RENEW_BEFORE, Tokens
from tests.localpubsub.set_clock import SetClock


class ManualClock(Clock):
    """A clock whose time a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_800_000_000.0

    def wall_time(self) -> float:
        """Return the time that the test set."""
        return self.time


def test_signing_key_survives_a_restart(tmp_path: Path) -> None:
    """A restarted server loads the same key, so that cached certificates still verify its tokens."""
    first, second = SigningKey.load_or_create(tmp_path), SigningKey.load_or_create(tmp_path)
    assert (first.kid, first.certificate) == (second.kid, second.certificate)
    assert first.private.private_numbers() == second.private.private_numbers()


def test_signing_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """The key file has mode 600, because a user with the key could push to the worker."""
    SigningKey.load_or_create(tmp_path)
    assert stat.S_IMODE((tmp_path / "signing-key.pem").stat().st_mode) == 0o600


def test_token_is_reused_until_shortly_before_it_expires() -> None:
    """A token is replaced RENEW_BEFORE seconds before it expires, and each audience has a separate token."""
    clock = ManualClock()

    async def scenario() -> list[str]:
        tokens = Tokens(None, clock)
        found = []
        for seconds in (0, LIFETIME - RENEW_BEFORE - 1, 2):
            clock.time += seconds
            found.append(await tokens.bearer("a@b.example", "audience"))
        found.append(await tokens.bearer("a@b.example", "another"))
        return found

    first, second, third, other = asyncio.run(scenario())
    assert first == second
    assert len({first, third, other}) == 3


def test_token_is_replaced_after_the_clock_was_set_or_the_machine_suspended() -> None:
    """A token that has expired during a suspension, or that is not valid yet, is replaced at once."""
    clock = SetClock(scale=60)

    async def scenario() -> list[float]:
        tokens = Tokens(None, clock)
        issued = []
        for change, seconds in ((clock.pass_by, 1), (clock.suspend, 7200), (clock.set_back, 86_400)):
            change(seconds)
            token = await tokens.bearer("a@b.example", "audience")
            claims = jwt.decode(token, options={"verify_signature": False})
            assert clock.wall - 1 <= claims["iat"] <= clock.wall
            issued.append(claims["iat"])
        return issued

    assert len(set(asyncio.run(scenario()))) == 3


def test_token_is_verified_by_the_published_certificate() -> None:
    """The certificate that is published under the key id of a token verifies this token."""

    async def scenario() -> tuple[str, dict[str, str]]:
        tokens = Tokens(None, Clock())
        return await tokens.bearer("a@b.example", "audience"), await tokens.certificates()

    token, certificates = asyncio.run(scenario())
    pem = certificates[jwt.get_unverified_header(token)["kid"]]
    key = load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="audience")
    assert claims["email"] == "a@b.example"
