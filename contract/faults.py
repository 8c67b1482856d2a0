"""What is wrong with bytes that came from outside, and whose fault it is.

::

    Undecodable                 the sender's fault; keeps the bytes and every fault found
    ├── UnreadableCrawl         whoever posts the crawl: answer 400, publish nothing
    ├── UnreadableRecipe        whoever writes the recipe
    ├── UnreadableEnvelope      whoever pushes: not Pub/Sub, or a push in another shape
    ├── UnreadableJob           whoever published the job: the dispatcher, or a replay
    └── UnreadableOutcome       whoever published the outcome: a worker
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from pydantic import ValidationError

MAX_SHOWN_INPUT = 80  #: characters of a faulty value that an error message repeats
#: What tells apart the spellings of one value (a text, or an object); no part of a fault's path.
SHORT, LONG = "[short]", "[long]"
MAX_DEPTH = 32  #: arrays and objects inside each other; a crawl needs five


class Fault(NamedTuple):
    """One thing wrong: where (`recipe.fields.price.type`; empty for the whole document) and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Undecodable(ValueError):
    """Bytes that are not the document they should be.

    Attributes:
        raw: the bytes as they came, so that nothing is lost.
        faults: everything that is wrong, not only the first; never empty.
    """

    def __init__(self, raw: bytes, faults: Iterable[Fault]) -> None:
        self.raw = raw
        self.faults = list(faults)
        super().__init__("; ".join(map(str, self.faults)))

    @classmethod
    def single_fault(cls, raw: bytes, why: str, path: str = "") -> Self:
        """Make the error for a single fault."""
        return cls(raw, [Fault(path, why)])

    @classmethod
    def from_validation(cls, raw: bytes, error: ValidationError) -> Self:
        """Make the error from pydantic's, with a path and a sentence for each fault."""
        return cls(raw, validation_faults(error))


class UnreadableCrawl(Undecodable):
    """A crawl that cannot be dispatched as it stands."""


class UnreadableRecipe(Undecodable):
    """A recipe that cannot be used as it stands."""


class UnreadableEnvelope(Undecodable):
    """A request body that is no Pub/Sub push."""


class UnreadableJob(Undecodable):
    """A message that holds no job this version can read."""


class UnreadableOutcome(Undecodable):
    """A message that holds no outcome this version can read."""


def validation_faults(error: ValidationError) -> list[Fault]:
    """Return pydantic's complaints as faults: a path and a sentence each."""
    return [_fault(details) for details in error.errors(include_url=False)]


def parse_json_object(raw: bytes, error: type[Undecodable], *, max_bytes: int, what: str) -> dict[str, Any]:
    """Read `raw` as one JSON object of at most `max_bytes`.

    Raises:
        error: with the reason, where `raw` is empty, too large, not UTF-8, not JSON, not an object, or holds
            an odd value.
    """
    if not raw:
        raise error.single_fault(raw, f"the {what} is empty")
    if len(raw) > max_bytes:
        raise error.single_fault(raw, f"the {what} has {len(raw)} bytes; at most {max_bytes} are read")
    try:
        # Decoded here: json.loads takes bytes for UTF-16 or lets surrogates through. RFC 8259 section 8.1.
        document = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as wrong:
        raise error.single_fault(
            raw, f"the {what} is not UTF-8: {wrong.reason} at byte {wrong.start}"
        ) from None
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno} column {wrong.colno}"
        raise error.single_fault(raw, f"the {what} is not JSON: {wrong.msg} at {where}") from None
    except RecursionError:
        raise error.single_fault(raw, f"the {what} is nested too deeply") from None
    except ValueError as wrong:  # NaN, Infinity, or a number with thousands of digits
        raise error.single_fault(raw, f"the {what} is not JSON we read: {wrong}") from None
    if not isinstance(document, dict):
        raise error.single_fault(raw, f"the {what} is a JSON {_json_type(document)}, not an object")
    for fault in odd_values(document):
        raise error(raw, [fault])
    return document


def odd_values(value: object, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Yield a fault for each value that JSON can spell but nobody can pass on (RFC 8259 sections 6, 8.2, 9).

    Whoever expects cycles or many of them takes only the first.
    """
    if depth > MAX_DEPTH:
        yield Fault(path, f"nested too deeply; at most {MAX_DEPTH} levels are read")
    elif isinstance(value, str) and not _is_unicode(value):
        yield Fault(path, f"half a surrogate pair, which UTF-8 cannot carry (got {_shown(value)})")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(path, f"{value} is no JSON number")
    elif isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{_printable(key)}".removeprefix(".")
            yield from odd_values(key, where, depth)
            yield from odd_values(inner, where, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from odd_values(inner, f"{path}.{index}", depth + 1)


def _is_unicode(text: str) -> bool:
    return text.isascii() or text == _printable(text)


def _printable(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")  # RFC 8259 section 6


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _fault(details: Any) -> Fault:  # noqa: ANN401 - pydantic's ErrorDetails is a TypedDict of Any
    path = ".".join(str(part) for part in details["loc"] if part not in {SHORT, LONG})
    why = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "missing":
        return Fault(path, "missing")
    if details["type"] == "extra_forbidden":
        return Fault(path, "there is no such field")
    if details["type"] in {"model_type", "dict_type"}:
        why = "must be an object"
    if details["type"] == "literal_error":
        why = f"only {details['ctx']['expected']} is read here"
    if isinstance(details["input"], dict):
        return Fault(path, why)
    return Fault(path, f"{why} (got {_shown(details['input'])})")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= MAX_SHOWN_INPUT else shown[:MAX_SHOWN_INPUT] + "…"
