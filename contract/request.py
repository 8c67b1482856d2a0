"""Defines how the pages of a crawl are requested: method, body, header fields, cookies, User-Agent and proxy.

A value may name a secret as `{secret:NAME}`. Jobs, the ledger and dead letters contain only that name; the
worker inserts the value immediately before it sends the request.
"""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from contract.faults import ConfidentialFault
from contract.urls import check_url, origin_of

MAX_REQUEST_BYTES = 16 * 1024  #: maximum size of the section, in bytes of JSON: a job has at most 64 KiB
MAX_HEADERS = 30
MAX_COOKIES = 50  #: as many as a browser must keep for one domain (RFC 6265 section 6.1)
MAX_NAME_CHARACTERS = 100
MAX_USER_AGENT_CHARACTERS = 500
SECRET = re.compile(r"\{secret:([A-Z][A-Z0-9_]{0,62})\}")  #: a reference to a secret; group 1 is its name
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
# RFC 9110 section 5.5, without the bytes beyond ASCII, which the RFC calls obsolete.
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
# Browsers send more characters (RFC 6265 section 5.2) than servers should set; a semicolon ends a value.
_COOKIE_VALUE = re.compile(r"(?:[!-:<-~](?:[ -:<-~]*[!-:<-~])?)?")
_USER_AGENT = re.compile(r"[A-Za-z_-][ -~]*")  # a product name first (RFC 9309 section 2.2.1)
_PROXY = re.compile(r"http://(\{secret:[^}]*\}@)?([^@/?#\\\s]+)/?")
_BY_CLIENT = "the worker sets it itself"
_NO_PAGE = "the response to it is no whole page"
_FORBIDDEN_HEADERS = {
    "host": "it follows from the URL",
    "user-agent": "use request.user_agent",
    "cookie": "use request.cookies",
    "proxy-authorization": "use request.proxy",
    **dict.fromkeys(("accept-encoding", "content-length", "expect"), _BY_CLIENT),
    # Fields of one connection (RFC 9110 section 7.6.1).
    **dict.fromkeys(("connection", "keep-alive", "proxy-connection", "te", "trailer"), _BY_CLIENT),
    **dict.fromkeys(("transfer-encoding", "upgrade", "http2-settings"), _BY_CLIENT),
    # Conditional and range requests (RFC 9110 sections 13 and 14).
    **dict.fromkeys(("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"), _NO_PAGE),
    **dict.fromkeys(("if-range", "range"), _NO_PAGE),
}


def secret_names(text: str) -> tuple[str, ...]:
    """Return the names of the secrets that a text refers to, in order.

    Raises:
        ConfidentialFault: if the text contains `{secret:` without being a reference.
    """
    names = SECRET.findall(text)
    if text.count("{secret:") != len(names):
        raise ConfidentialFault(
            "{secret: begins a reference to a secret: write {secret:NAME}, with a name of at most 63 "
            "characters of A-Z, 0-9 and underscore, a letter first"
        )
    return tuple(names)


def is_header_value(text: str) -> bool:
    """Return whether a text may be the value of a header field: visible ASCII, spaces and tabs inside."""
    return _HEADER_VALUE.fullmatch(text) is not None


def is_cookie_value(text: str) -> bool:
    """Return whether a text may be the value of a cookie: visible ASCII without semicolon, spaces inside."""
    return _COOKIE_VALUE.fullmatch(text) is not None


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    seen = set[str]()
    for name, value in headers.items():
        _check_name(name, "header field", "RFC 9110 section 5.1")
        if why := _FORBIDDEN_HEADERS.get(name.lower()):
            raise ConfidentialFault(f"the header field {name} cannot be set: {why}")
        if name.lower() in seen:
            raise ConfidentialFault(f"the header field {name} is set twice; case does not matter in its name")
        seen.add(name.lower())
        if not is_header_value(value):
            raise ConfidentialFault(
                f"the value of the header field {name} must be visible ASCII characters, with spaces only "
                "between them (RFC 9110 section 5.5)"
            )
        secret_names(value)
    return headers


def _check_cookies(cookies: dict[str, str]) -> dict[str, str]:
    for name, value in cookies.items():
        _check_name(name, "cookie", "RFC 6265 section 4.1.1")
        if not is_cookie_value(value):
            raise ConfidentialFault(
                f"the value of the cookie {name} must be visible ASCII characters without semicolon, with "
                "spaces only between them (RFC 6265); percent-encode others as the site does"
            )
        secret_names(value)
    return cookies


def _check_name(name: str, kind: str, source: str) -> None:
    if len(name) > MAX_NAME_CHARACTERS or not _TOKEN.fullmatch(name):
        raise ConfidentialFault(
            f"{name[:40]!r} is not the name of a {kind}: it has 1 to {MAX_NAME_CHARACTERS} letters, digits "
            f"and !#$%&'*+-.^_`|~ ({source})"
        )


def _check_user_agent(value: str) -> str:
    if len(value) > MAX_USER_AGENT_CHARACTERS or not _USER_AGENT.fullmatch(value):
        raise ValueError(
            f"must be at most {MAX_USER_AGENT_CHARACTERS} ASCII characters that begin with a product name, "
            "for example examplebot/1.0, which robots.txt rules can name"
        )
    if "{secret:" in value:
        raise ValueError("a User-Agent cannot contain a secret: it is in the log of every site")
    return value


def _check_body(body: JsonValue) -> JsonValue:
    if body is not None and not isinstance(body, str | dict | list):
        raise ConfidentialFault("must be a text, or the object or array that is sent as JSON")
    for text in _texts(body):
        secret_names(text)
    return body


def _check_proxy(proxy: str) -> str:
    match = _PROXY.fullmatch(proxy)
    if match is None:
        raise ConfidentialFault(
            "must be http://host:port; a user and password only as a secret, http://{secret:NAME}@host:port"
        )
    secret_names(proxy)
    try:
        origin = origin_of(check_url(f"http://{match[2]}/"))
    except ValueError as error:
        raise ConfidentialFault(str(error)) from None
    return origin.replace("//", f"//{match[1] or ''}", 1)


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        if any("{secret:" in key for key in value):
            raise ConfidentialFault("a secret may be in a value, but not in a key")
        return [text for inner in value.values() for text in _texts(inner)]
    return [text for inner in value for text in _texts(inner)] if isinstance(value, list) else []


_BODY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}, {"type": "null"}]}


class PageRequest(BaseModel):
    """How a page is requested, if a plain GET is not enough."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: Literal["GET", "POST"] = "GET"
    """`GET`, or `POST` for an API that is searched by it. A job may be sent more than once."""
    headers: Annotated[dict[str, str], Field(max_length=MAX_HEADERS), AfterValidator(_check_headers)] = {}
    """Header fields, at most 30. They are sent to the origin of the job's URL only."""
    cookies: Annotated[dict[str, str], Field(max_length=MAX_COOKIES), AfterValidator(_check_cookies)] = {}
    """Cookies, at most 50. They are sent to the origin of the job's URL only."""
    user_agent: Annotated[str, AfterValidator(_check_user_agent)] | None = None
    """User-Agent instead of the worker's; its product name also selects the rules of robots.txt."""
    body: Annotated[JsonValue, AfterValidator(_check_body), WithJsonSchema(_BODY_SCHEMA)] = None
    """Body of a `POST`: an object or array, which is sent as JSON, or a text, whose `Content-Type` is in
    `headers`."""
    proxy: Annotated[str, AfterValidator(_check_proxy)] | None = None
    """Proxy, `http://host:port`, one of those in the worker's FETCH_PROXIES. Its user and password are one
    secret: `http://{secret:NAME}@host:port`."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.body is not None and self.method != "POST":
            raise ConfidentialFault("a body needs method: POST")
        has_type = any(name.lower() == "content-type" for name in self.headers)
        if isinstance(self.body, str) and not has_type:
            raise ConfidentialFault(
                "a body that is a text needs the header field Content-Type, for example "
                "application/x-www-form-urlencoded"
            )
        size = len(json.dumps(self.to_json_dict(), ensure_ascii=False).encode(errors="replace"))
        if size > MAX_REQUEST_BYTES:
            raise ConfidentialFault(
                f"the section has {size} bytes of JSON; the maximum is {MAX_REQUEST_BYTES}"
            )
        return self

    def to_json_dict(self) -> dict[str, Any]:
        """Return the section as JSON values, without the keys that have their default value."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def identity(self) -> str:
        """Return what tells two requests of one URL apart, as JSON; `""` for a plain GET.

        A proxy does not: it is another way to the same page.
        """
        document = self.to_json_dict()
        document.pop("proxy", None)
        if self.headers:
            document["headers"] = {name.lower(): value for name, value in self.headers.items()}
        return json.dumps(document, sort_keys=True, separators=(",", ":")) if document else ""

    def secrets(self) -> tuple[str, ...]:
        """Return the names of all secrets that the section refers to, sorted."""
        texts = [*self.headers.values(), *self.cookies.values(), *_texts(self.body), self.proxy or ""]
        return tuple(sorted({name for text in texts for name in SECRET.findall(text)}))

    def for_link(self, *, same_origin: bool) -> "PageRequest":
        """Return how the target of a link on the page is requested: by GET, as a browser does.

        Args:
            same_origin: whether the target has the origin of the job's URL. Only then header fields and
                cookies are sent.
        """
        if self.method == "GET" and same_origin:
            return self
        changed: dict[str, Any] = {"method": "GET", "body": None}
        if same_origin:
            changed["headers"] = {
                name: value for name, value in self.headers.items() if not is_content_field(name)
            }
        else:
            changed |= {"headers": {}, "cookies": {}}
        return self.model_copy(update=changed)


PLAIN_GET = PageRequest()  #: the request of a crawl that says nothing about it


def is_content_field(name: str) -> bool:
    """Return whether a header field describes the body of its request (RFC 9110 section 8)."""
    return name.lower().startswith("content-")
