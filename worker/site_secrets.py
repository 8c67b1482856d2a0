"""Holds the secrets that crawls may name, and says to which origins each of them may be sent. Pure.

The setting FETCH_SECRETS names the secrets and their origins, and the variable SECRET_NAME has the value of
the secret NAME. A job contains only the name, so whoever may publish jobs can use a secret, but not send it
to a server of their own.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from contract.request import SECRET
from contract.urls import check_url, origin_of
from worker.secret_forms import SecretForms

MIN_CHARACTERS = 8  #: a shorter value could not be told apart from other texts, and so could not be hidden
MAX_CHARACTERS = 4096
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class SecretRefused(Exception):
    """A secret does not exist, or must not be sent to an origin; the message has its name, not its value."""


@dataclass(frozen=True)
class SiteSecret:
    """A secret.

    Attributes:
        name: its name, as crawls write it.
        value: 8 to 4,096 visible ASCII characters, with spaces only between them.
        origins: the origins to which it may be sent, `https://shop.example` or `http://127.0.0.1:8000`;
            `*.shop.example` stands for all names below `shop.example`, by https.
    """

    name: str
    value: str = field(repr=False)
    origins: tuple[str, ...]

    def may_be_sent_to(self, origin: str) -> bool:
        """Return whether the secret may be sent to an origin."""
        parts = urlsplit(origin)
        is_named = origin in self.origins
        return is_named or any(
            each.startswith("*.") and parts.scheme == "https" and parts.netloc.endswith(each[1:])
            for each in self.origins
        )


class SiteSecrets:
    """All secrets of a worker.

    Args:
        secrets: the secrets.
    """

    def __init__(self, *secrets: SiteSecret) -> None:
        self._secrets = {secret.name: secret for secret in secrets}
        self._forms = [SecretForms(secret.name, secret.value) for secret in secrets]

    @classmethod
    def read(cls, setting: str, environment: Mapping[str, str]) -> Self:
        """Return the secrets that a setting names.

        Args:
            setting: `NAME=origin,origin; NAME=origin`, as FETCH_SECRETS has it.
            environment: the environment variables, of which those named SECRET_NAME have the values.

        Raises:
            ValueError: if the setting or a value is invalid, or a value is missing; the message has all
                faults, and no value.
        """
        secrets, faults = list[SiteSecret](), list[str]()
        for entry in filter(None, map(str.strip, setting.split(";"))):
            try:
                secrets.append(_read_secret(entry, environment))
            except ValueError as error:
                faults.append(str(error))
        names = [secret.name for secret in secrets]
        faults += [
            f"{name} is named twice" for name in sorted({name for name in names if names.count(name) > 1})
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return cls(*secrets)

    def insert(self, text: str, origin: str) -> str:
        """Return a text with the values of the secrets that it names.

        Args:
            text: a text with references such as `{secret:API_TOKEN}`.
            origin: the origin to which the text will be sent.

        Raises:
            SecretRefused: if a secret does not exist, or must not be sent to this origin.
        """
        return SECRET.sub(lambda match: self._value(match[1], origin), text)

    def _value(self, name: str, origin: str) -> str:
        secret = self._secrets.get(name)
        if secret is None:
            raise SecretRefused(f"this worker has no secret {name} (FETCH_SECRETS)")
        if not secret.may_be_sent_to(origin):
            raise SecretRefused(f"the secret {name} must not be sent to {origin} (FETCH_SECRETS)")
        return secret.value

    def contains_any(self, text: str) -> bool:
        """Return whether a text contains the value of a secret, even escaped."""
        return any(forms.is_in(text) for forms in self._forms)

    def hide_in_detail(self, text: str) -> str:
        """Return a short text, which may have been cut, with the name instead of the value of each secret."""
        for forms in self._forms:
            text = forms.hide_in_detail(text)
        return text

    def hide_in_items(self, items: str) -> str:
        """Return a JSON text with the name instead of the value of each secret in strings and numbers."""
        if self._hide_in_text(items) == items:
            return items
        return json.dumps(self._hide_in_value(json.loads(items)), ensure_ascii=False, separators=(",", ":"))

    def hide_in_body(self, body: bytes) -> bytes:
        """Return the bytes of a page with the name instead of the value of each secret.

        So a recipe never sees a value that a site repeats, and cannot take it apart.
        """
        for forms in self._forms:
            body = forms.hide_in_bytes(body)
        return body

    def _hide_in_value(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._hide_in_value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._hide_in_value(inner) for inner in value]
        shown = value if isinstance(value, str) else json.dumps(value)
        hidden = self._hide_in_text(shown)
        return value if hidden == shown else hidden

    def _hide_in_text(self, text: str) -> str:
        for forms in self._forms:
            text = forms.hide_in_text(text)
        return text


NO_SECRETS = SiteSecrets()


def _read_secret(entry: str, environment: Mapping[str, str]) -> SiteSecret:
    name, equals, origins = (part.strip() for part in entry.partition("="))
    if not equals or not _NAME.fullmatch(name):
        raise ValueError(
            f"{entry[:40]!r} is not NAME=origin,origin with a name of at most 63 characters of A-Z, 0-9 and "
            "underscore, a letter first"
        )
    variable = f"SECRET_{name}"
    value = environment.get(variable, "")
    if not value:
        raise ValueError(f"{variable} is not set")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"{variable} has a character that is not visible ASCII, or it begins or ends with a space or a "
            "line break"
        )
    if not MIN_CHARACTERS <= len(value) <= MAX_CHARACTERS:
        raise ValueError(
            f"{variable} has {len(value)} characters; it must have {MIN_CHARACTERS} to {MAX_CHARACTERS}"
        )
    return SiteSecret(name, value, tuple(_read_origin(name, each.strip()) for each in origins.split(",")))


def _read_origin(name: str, text: str) -> str:
    is_url = text.startswith(("http://", "https://"))
    host = text.removeprefix("*.")
    try:
        origin = origin_of(check_url(text if is_url else f"https://{host}/"))
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is not a host or an origin: {error}") from None
    if origin != (text.removesuffix("/") if is_url else f"https://{host}"):
        raise ValueError(f"{name}: {text!r} is not a host or an origin; {origin} would be one")
    return origin if text == host else f"*.{host}"
