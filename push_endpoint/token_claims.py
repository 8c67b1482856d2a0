"""Reads an OIDC token strictly, before its signature is verified. Pure.

google-auth verifies the signature, but it raises unexpected exceptions for claims of another type, accepts
NaN and Infinity as times, ignores `nbf`, and repeats the token in its messages. So whatever is not exactly a
token of the expected issuer and audience is rejected here.
"""

import base64
import json
import re
from typing import Any, NamedTuple

from contract.quoting import quote

#: Maximum length of a token. Google's tokens have about 1,000 characters, and gunicorn reads header fields of
#: up to 8,190 bytes.
MAX_TOKEN_CHARACTERS = 8 * 1024
CLOCK_SKEW_SECONDS = 10  #: largest difference between our clock and the issuer's
_MAX_TIME = 253_402_300_799  # the last second of the year 9999; a time beyond it is certainly an error
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")  # RFC 7515 sections 2 and 3.1


class InvalidToken(ValueError):
    """The token is not valid; the message says why, and does not contain the token."""


class TokenKind(NamedTuple):
    """What all tokens of an issuer have.

    Attributes:
        issuers: the permitted `iss` claims.
        algorithm: the algorithm of the signatures.
    """

    issuers: frozenset[str]
    algorithm: str


#: Tokens of Google's accounts (https://accounts.google.com/.well-known/openid-configuration).
GOOGLE_ACCOUNT = TokenKind(frozenset({"https://accounts.google.com", "accounts.google.com"}), "RS256")


class TokenClaims(NamedTuple):
    """What a token claims. The claims are worth nothing before the signature is verified.

    Attributes:
        key_id: the id of the key that signed the token; None if the header names none.
        email: the claim `email`, of any type; None if missing.
        is_email_verified: whether the claim `email_verified` is true.
        expires_at: when the token expires, seconds since the epoch.
    """

    key_id: str | None
    email: object
    is_email_verified: bool
    expires_at: float


def read_token(token: str, audience: str, now: float, kind: TokenKind = GOOGLE_ACCOUNT) -> TokenClaims:
    """Return what a token claims.

    Args:
        token: the token as sent.
        audience: the required `aud` claim.
        now: the current time, seconds since the epoch.
        kind: which issuer's token it must be.

    Raises:
        InvalidToken: if the token is malformed, has a claim of another type, is not valid at this time, or
            has another issuer, audience or algorithm.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken(f"the token has {len(token)} characters; the maximum is {MAX_TOKEN_CHARACTERS}")
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise InvalidToken("the token is not three parts in base64url, separated by points")
    header, claims = _read_part(parts[1], "header"), _read_part(parts[2], "claims")
    key_id = _read_header(header, kind.algorithm)
    if not isinstance(issuer := claims.get("iss"), str) or issuer not in kind.issuers:
        raise InvalidToken(f"the token's issuer is {_shown(issuer)}")
    if not isinstance(claimed := claims.get("aud"), str) or claimed != audience:
        raise InvalidToken(f"the token's audience is {_shown(claimed)}, not {quote(audience)}")
    expires_at = _check_times(claims, now)
    return TokenClaims(key_id, claims.get("email"), claims.get("email_verified") is True, expires_at)


def _read_part(part: str, name: str) -> dict[str, Any]:
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidToken(f"the token's {name} are not JSON in base64url ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise InvalidToken(f"the token's {name} are not a JSON object")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a duplicate key")  # parsers differ in which value they use (RFC 8259 section 4)
    return document


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")  # RFC 8259 section 6


def _read_header(header: dict[str, Any], algorithm: str) -> str | None:
    if header.get("alg") != algorithm:
        raise InvalidToken(f"the token's algorithm is {_shown(header.get('alg'))}, not {algorithm}")
    if "crit" in header:  # extensions that must be understood (RFC 7515 section 4.1.11)
        raise InvalidToken("the token has critical extensions")
    if "kid" not in header:
        return None
    key_id = header["kid"]
    if not isinstance(key_id, str) or not key_id:
        raise InvalidToken(f"the token's key id is {_shown(key_id)}")
    return key_id


def _check_times(claims: dict[str, Any], now: float) -> float:
    """Return the time of expiry, if the token is valid now."""
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
    if max(issued_at, not_before) > now + CLOCK_SKEW_SECONDS:
        seconds = max(issued_at, not_before) - now
        raise InvalidToken(f"the token is valid only in {seconds:.0f} s; are the clocks right?")
    if expires_at < now - CLOCK_SKEW_SECONDS:
        raise InvalidToken(f"the token expired {now - expires_at:.0f} s ago")
    return expires_at


def _time(claims: dict[str, Any], name: str) -> float:
    """Return a NumericDate (RFC 7519 section 2)."""
    value = claims.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or not is_number or not 0 <= value <= _MAX_TIME:  # NaN is in no range
        raise InvalidToken(f"the token's claim {name} is {_shown(value)}, not a time in seconds since 1970")
    return float(value)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return quote(value, 80) if isinstance(value, str) else f"a JSON value of the type {type(value).__name__}"
