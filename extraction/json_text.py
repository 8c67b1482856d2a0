"""JSON as pages write it, and JMESPath into it. Pure."""

import json
import math
import re
from typing import Any

from jmespath.visitor import TreeInterpreter
from pydantic import JsonValue

from extraction.selectors import compile_jmespath

# What scripts have before their JSON: HTML comments and CDATA, for parsers of long ago, and an assignment.
# Possessive throughout: a megabyte of spaces is looked at once.
_BEFORE = re.compile(
    r"""(?:<!--|(?://|/\*)?+\s*+<!\[CDATA\[(?:\s*+\*/)?+)?+\s*+
        (?:(?:var|let|const)\s++)?+(?:[\w$.]{1,100}+(?:\[["']\w{1,100}+["']\])?+\s*+=)?\s*+(?=[{\["])""",
    re.VERBOSE,
)
_SCRIPT = json.JSONDecoder(strict=False, parse_constant=lambda _: None)


class NotJson(ValueError):
    """A text is no JSON that we read."""


def parse_json(text: str) -> JsonValue:
    """Return a text's JSON value; NaN and Infinity are null.

    Raises:
        NotJson: where it is none, or nested too deeply.
    """
    try:
        value: JsonValue = json.loads(text.lstrip("\ufeff"), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as wrong:
        raise NotJson(f"no JSON: {wrong}") from None
    return value


def parse_script(text: str) -> JsonValue:
    """Return the JSON of a script element, which may be assigned to something: `window.state = {…};`.

    Raises:
        NotJson: where it holds none.
    """
    text = text.lstrip("\ufeff \t\r\n\f")
    try:
        return parse_json(text)
    except NotJson as wrong:
        before = _BEFORE.match(text)
        if before is None:
            raise
        try:
            value: JsonValue = _SCRIPT.raw_decode(text, before.end())[0]
        except (ValueError, RecursionError):
            raise wrong from None
        return value


def query(expression: str, value: JsonValue) -> list[JsonValue]:
    """Return what a JMESPath expression finds: each element of a list by itself, nothing for null.

    A function that does not take what this page has there finds nothing.
    """
    try:
        found: Any = TreeInterpreter().visit(compile_jmespath(expression), value)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return []
    return [each for each in (found if isinstance(found, list) else [found]) if each is not None]


def text_of_json(value: JsonValue) -> str:
    """Return a JSON value as text: a string as it is, anything else as JSON; `""` for infinite numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError):
        return ""
