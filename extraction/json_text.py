"""Parses JSON, including JSON inside scripts, and searches it with JMESPath. Pure."""

import json
import math
import re
from typing import Any

from jmespath.visitor import TreeInterpreter
from pydantic import JsonValue

from extraction.selectors import compile_jmespath

# The text before the JSON in a script: an HTML comment, CDATA, or an assignment. Every quantifier is
# possessive, so that the pattern never backtracks and reads a megabyte of spaces only once.
_BEFORE_JSON = re.compile(
    r"""(?:<!--|(?://|/\*)?+\s*+<!\[CDATA\[(?:\s*+\*/)?+)?+\s*+
        (?:(?:var|let|const)\s++)?+(?:[\w$.]{1,100}+(?:\[["']\w{1,100}+["']\])?+\s*+=)?\s*+(?=[{\["])""",
    re.VERBOSE,
)
# Strings, comments and commas. Comments, and a comma before a closing bracket, are common in JSON-LD, but not
# valid in JSON. The quantifiers are possessive, so the text is read only once.
_STRING = r'"(?:[^"\\]++|\\.)*+"?'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*+[}}\]])", re.DOTALL)
_BETWEEN_VALUES = re.compile(r"[\s,;]*+")
_AFTER_JSON = re.compile(r"(?:-->|\]\]>|\s)*+")
_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: None)


class InvalidJson(ValueError):
    """The text is not JSON, or is nested too deeply."""


def parse_json(text: str) -> JsonValue:
    """Return the JSON value of a text; NaN and Infinity become null.

    Raises:
        InvalidJson: if the text is not JSON, or is nested too deeply.
    """
    try:
        value: JsonValue = json.loads(text.lstrip("\ufeff"), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"not JSON: {error}") from None
    return value


def parse_script(text: str) -> JsonValue:
    """Return the JSON value in a script element, which may assign it to a variable: `window.state = {…};`.

    Raises:
        InvalidJson: if the script does not begin with JSON or such an assignment.
    """
    text = text.lstrip("\ufeff \t\r\n\f")
    try:
        return parse_json(text)
    except InvalidJson as error:
        before = _BEFORE_JSON.match(text)
        if before is None:
            raise
        try:
            value: JsonValue = _DECODER.raw_decode(text, before.end())[0]
        except (ValueError, RecursionError):
            raise error from None
        return value


def parse_values(text: str) -> tuple[list[JsonValue], str]:
    """Return the JSON values in a script of JSON-LD, and `""`, or why a part of the script is not JSON.

    Comments, trailing commas, and several values one after the other are accepted, as common pages have them.
    """
    try:
        return [parse_json(text)], ""
    except InvalidJson:
        pass
    original = text.lstrip("\ufeff \t\r\n\f")
    before = _BEFORE_JSON.match(original)
    text = original[before.end() if before else 0 :]
    text = _TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text)).rstrip()
    values = list[JsonValue]()
    position = _BETWEEN_VALUES.match(text).end()  # type: ignore[union-attr]  # the pattern matches every text
    try:
        while position < len(text) and not _AFTER_JSON.fullmatch(text, position):
            value, end = _DECODER.raw_decode(text, position)
            values.append(value)
            position = _BETWEEN_VALUES.match(text, end).end()  # type: ignore[union-attr]  # see above
    except (ValueError, RecursionError) as error:
        return values, f"is not JSON: {error}"
    return values, "" if values or not original.strip() else "is not JSON: it has only comments"


def _blank(match: re.Match[str]) -> str:
    """Return a string unchanged, and spaces for a comment or a comma, so that positions remain the same."""
    return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])


def query_json(expression: str, value: JsonValue) -> list[JsonValue]:
    """Return the values that a JMESPath expression selects, without null.

    If the expression selects a list, its elements are the values. If a JMESPath function does not accept the
    page's values, there are no values.
    """
    try:
        result: Any = TreeInterpreter().visit(compile_jmespath(expression), value)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return []
    return [each for each in (result if isinstance(result, list) else [result]) if each is not None]


def json_to_text(value: JsonValue) -> str:
    """Return a string unchanged, and other JSON values as JSON text; infinity becomes an empty text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError):
        return ""
