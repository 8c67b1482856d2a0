"""Defines the exceptions for data that cannot be decoded, and the JSON parser that all decoders share.

::

    Undecodable                 has the bytes and every fault that was found
    ├── UnreadableCrawl         the caller of the dispatcher sent it: respond with 400, publish nothing
    ├── UnreadableRecipe        the recipe's author wrote it
    ├── UnreadableEnvelope      the sender of the push is not Pub/Sub, or uses another format
    ├── UnreadableJob           the publisher of the job sent it: the dispatcher, or a replay
    ├── UnreadableShard         the publisher of the shard sent it: a dispatcher
    └── UnreadableOutcome       the publisher of the outcome sent it: a worker
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ValidationError

from contract.known_keys import suggest_key, suggest_value
from contract.quoting import hide_userinfo, quote, shorten

MAX_INPUT_CHARACTERS = 80  #: characters of a faulty value that an error message repeats
#: Tags that pydantic adds to a path if a value may be a string (short form) or an object (long form). They
#: are left out of a fault's path.
SHORT_FORM, LONG_FORM = "[short]", "[long]"
MAX_DEPTH = 32  #: maximum number of nested arrays and objects


class ConfidentialFault(ValueError):
    """A fault of a value that may be a password, so that the message about the fault does not repeat it."""


class Fault(NamedTuple):
    """One fault of a document.

    Attributes:
        path: the field, for example `recipe.fields.price.type`; `""` for the whole document.
        message: a description of the fault.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Undecodable(ValueError):
    """The bytes are not a valid document of the expected kind.

    Attributes:
        raw: the bytes as received.
        faults: every fault that was found, without passwords of URLs; never empty.
    """

    def __init__(self, raw: bytes, faults: Iterable[Fault]) -> None:
        self.raw = raw
        self.faults = [Fault(hide_userinfo(fault.path), hide_userinfo(fault.message)) for fault in faults]
        super().__init__("; ".join(map(str, self.faults)))

    @classmethod
    def single_fault(cls, raw: bytes, message: str, path: str = "") -> Self:
        """Return the error for a single fault."""
        return cls(raw, [Fault(path, message)])

    @classmethod
    def from_validation(
        cls, raw: bytes, error: ValidationError, model: type[BaseModel] | None = None
    ) -> Self:
        """Return the error for all faults that pydantic found; see `validation_faults`."""
        return cls(raw, validation_faults(error, model))


class UnreadableCrawl(Undecodable):
    """The crawl is invalid and is not dispatched."""


class UnreadableRecipe(Undecodable):
    """The recipe is invalid."""


class UnreadableEnvelope(Undecodable):
    """The request body is not a Pub/Sub push."""


class UnreadableJob(Undecodable):
    """The message does not contain a job that this version can read."""


class UnreadableShard(Undecodable):
    """The message does not contain a shard that this version can read."""


class UnreadableOutcome(Undecodable):
    """The message does not contain an outcome that this version can read."""


class UnreadableOperatorAct(Undecodable):
    """The message does not contain an act of an operator that this version can read."""


def validation_faults(error: ValidationError, model: type[BaseModel] | None = None) -> list[Fault]:
    """Return a fault for each error that pydantic found.

    Args:
        error: the error.
        model: the class of the document, so that the fault of an unknown key can name the nearest known key.
    """
    return [_fault(details, model) for details in error.errors(include_url=False)]


def parse_json_object(raw: bytes, error: type[Undecodable], *, max_bytes: int, kind: str) -> dict[str, Any]:
    """Parse `raw` as one JSON object of at most `max_bytes`.

    Args:
        raw: UTF-8 JSON, with or without a byte order mark.
        error: the class of the exception to raise.
        max_bytes: larger documents are rejected without parsing.
        kind: the kind of document, for error messages: for example `job`.

    Raises:
        error: if `raw` is empty, too large, not UTF-8, not JSON, not an object, or contains an unsupported
            value.
    """
    if not raw:
        raise error.single_fault(raw, f"the {kind} is empty")
    if len(raw) > max_bytes:
        raise error.single_fault(raw, f"the {kind} has {len(raw)} bytes; the maximum is {max_bytes}")
    try:
        # The bytes are decoded here, because json.loads also accepts UTF-16, UTF-32 and encoded surrogates,
        # which RFC 8259 section 8.1 forbids.
        document = _DECODER.decode(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as bad:
        raise error.single_fault(raw, f"the {kind} is not UTF-8: {bad.reason} at byte {bad.start}") from None
    except json.JSONDecodeError as bad:
        where = f"line {bad.lineno} column {bad.colno}"
        raise error.single_fault(raw, f"the {kind} is not JSON: {bad.msg} at {where}") from None
    except RecursionError:
        raise error.single_fault(raw, f"the {kind} is nested too deeply") from None
    except ValueError as bad:  # NaN, Infinity, or a number with thousands of digits
        raise error.single_fault(raw, f"the {kind} is JSON with an unsupported value: {bad}") from None
    if not isinstance(document, dict):
        raise error.single_fault(raw, f"the {kind} is a JSON {_json_type(document)}, not an object")
    if not _is_supported(document):
        raise error(raw, [next(unsupported_values(document))])
    return document


def unsupported_values(value: object, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Yield a fault for each value that cannot be written as JSON in UTF-8, or that is nested too deeply.

    RFC 8259 (sections 6, 8.2 and 9) allows decoders to reject such values. If a document from YAML contains
    itself, the number of faults may be enormous, so callers use only the first.
    """
    if depth > MAX_DEPTH:
        yield Fault(path, f"nested too deeply; the maximum is {MAX_DEPTH} levels")
    elif isinstance(value, str) and not _is_unicode(value):
        yield Fault(path, f"a lone surrogate, which UTF-8 cannot encode (got {_abbreviate(value)})")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(path, f"{value} is not a JSON number")
    elif isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{_escape_surrogates(key)}".removeprefix(".")
            yield from unsupported_values(key, where, depth)
            yield from unsupported_values(inner, where, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unsupported_values(inner, f"{path}.{index}", depth + 1)


def _is_supported(value: object, depth: int = 0) -> bool:
    """Return whether `unsupported_values` yields nothing; without the paths, in a fifth of the time."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(value, str):
        return _is_unicode(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_unicode(key) and _is_supported(each, depth + 1) for key, each in value.items())
    return not isinstance(value, list) or all(_is_supported(each, depth + 1) for each in value)


def _is_unicode(text: str) -> bool:
    return text.isascii() or text == _escape_surrogates(text)


def _escape_surrogates(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")  # RFC 8259 section 6


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _fault(details: Any, model: type[BaseModel] | None) -> Fault:  # noqa: ANN401 - the values of pydantic's ErrorDetails have type Any
    path = ".".join(str(part) for part in details["loc"] if part not in {SHORT_FORM, LONG_FORM})
    message = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "missing":
        return Fault(path, "missing")
    if details["type"] == "extra_forbidden":
        suggested = suggest_key(model, details["loc"]) if model is not None else ""
        meant = f"; did you mean {suggested}?" if suggested else ""
        return Fault(path, f"there is no such field{meant}")
    if details["type"] in {"model_type", "dict_type"}:
        message = "must be an object"
    if details["type"] == "literal_error":
        supported = details["ctx"]["expected"]
        is_one = " or " not in supported
        message = f"the only supported value is {supported}" if is_one else f"must be {supported}"
    if details["type"] == "enum":
        suggested = suggest_value(details["ctx"]["expected"], details["input"])
        message += f"; did you mean {suggested}?" if suggested else ""
    is_confidential = isinstance(details.get("ctx", {}).get("error"), ConfidentialFault)
    if is_confidential or isinstance(details["input"], dict):
        return Fault(path, message)
    return Fault(path, f"{message} (got {_abbreviate(details['input'])})")


def _abbreviate(value: object) -> str:
    if isinstance(value, str):
        return quote(value, MAX_INPUT_CHARACTERS)
    return shorten(repr(value), MAX_INPUT_CHARACTERS)
