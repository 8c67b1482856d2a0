"""Parses the filter language with a tokenizer and a recursive descent over its tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from localpubsub.errors import InvalidArgument
from localpubsub.resources.filter import (
    MAX_FILTER_BYTES,
    And,
    Condition,
    Differs,
    Equals,
    Has,
    HasPrefix,
    Not,
    Or,
)

#: Matches one token. A word may contain hyphens, but a hyphen in front of a condition is a separate token.
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<word>[A-Za-z0-9_][A-Za-z0-9_-]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<sign>!=|[:.=(),-]))""",
    re.DOTALL,
)
_BLANK: Final = re.compile(r"\s*")
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|(.))", re.DOTALL
)
_PLAIN_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "`": "`",
    "?": "?",
}
_RESERVED: Final = frozenset({"AND", "OR", "NOT"})
_MAX_DEPTH: Final = 64  #: Maximum levels of nested parentheses; more could exhaust the stack.


def parse(text: str) -> Condition | None:
    """Return the condition of a filter, or None for an empty filter.

    Raises:
        InvalidArgument: the filter is invalid; the error names the position and the reason.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_FILTER_BYTES:
        raise InvalidArgument(f"Invalid filter: it is longer than {MAX_FILTER_BYTES} bytes.")
    if not text:
        return None
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  #: One of word, string, sign and end.
    text: str
    position: int  #: Number of characters before the token.


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while found := _TOKEN.match(text, position):
        kind = found.lastgroup or ""
        yield _Token(kind, found[kind], found.start(kind))
        position = found.end()
    blank = _BLANK.match(text, position)
    position = blank.end() if blank else position
    if position < len(text):
        raise _error(position, f"{text[position]!r} is not part of the filter language")
    yield _Token("end", "the end", position)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._combination()
        if self._next.kind != "end":
            raise self._expected("AND, OR or the end")
        return condition

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _combination(self) -> Condition:
        conditions = [self._negation()]
        operator = self._next
        if not self._is_word("AND", "OR"):
            return conditions[0]
        while self._is_word("AND", "OR"):
            if self._next.text != operator.text:
                raise _error(self._next.position, "AND and OR cannot be mixed without parentheses")
            self._take()
            conditions.append(self._negation())
        return And(tuple(conditions)) if operator.text == "AND" else Or(tuple(conditions))

    def _negation(self) -> Condition:
        if self._is_word("NOT") or self._is_sign("-"):
            self._take()
            return Not(self._primary())
        return self._primary()

    def _primary(self) -> Condition:
        if self._is_sign("("):
            return self._parenthesized()
        if self._is_word("hasPrefix"):
            return self._has_prefix()
        if self._is_word("attributes"):
            return self._comparison()
        raise self._expected("attributes, hasPrefix, NOT or (")

    def _parenthesized(self) -> Condition:
        opening = self._take()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _error(opening.position, f"parentheses are nested more than {_MAX_DEPTH} levels deep")
        condition = self._combination()
        self._expect_sign(")")
        self._depth -= 1
        return condition

    def _has_prefix(self) -> Condition:
        self._take()
        self._expect_sign("(")
        if not self._is_word("attributes"):
            raise self._expected("attributes")
        self._take()
        self._expect_sign(".")
        key = self._key()
        self._expect_sign(",")
        prefix = self._string()
        self._expect_sign(")")
        return HasPrefix(key, prefix)

    def _comparison(self) -> Condition:
        self._take()
        if self._expect_sign(":", ".") == ":":
            return Has(self._key())
        key = self._key()
        is_equal = self._expect_sign("=", "!=") == "="
        return Equals(key, self._string()) if is_equal else Differs(key, self._string())

    def _key(self) -> str:
        if self._next.kind == "string":
            return self._string()
        if self._next.kind != "word" or self._next.text in _RESERVED:
            raise self._expected("the key of an attribute")
        return self._take().text

    def _string(self) -> str:
        if self._next.kind != "string":
            raise self._expected('a "quoted" string')
        token = self._take()
        return _unescaped(token)

    def _expect_sign(self, *signs: str) -> str:
        if not self._is_sign(*signs):
            raise self._expected(" or ".join(signs))
        return self._take().text

    def _is_word(self, *words: str) -> bool:
        return self._next.kind == "word" and self._next.text in words

    def _is_sign(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _expected(self, expected: str) -> InvalidArgument:
        return _error(self._next.position, f"expected {expected}, found {self._next.text}")


def _unescaped(token: _Token) -> str:
    def replace(escape: re.Match[str]) -> str:
        digits = escape[1] or escape[2] or escape[3]
        if escape[5] is not None:
            character = _PLAIN_ESCAPES.get(escape[5])
            if character is None:
                raise _error(token.position + 1 + escape.start(), f"unknown escape sequence: {escape[0]}")
            return character
        code = int(digits, 16) if digits else int(escape[4], 8)
        if code > 0x10FFFF:
            raise _error(token.position + 1 + escape.start(), f"not a Unicode character: {escape[0]}")
        return chr(code)

    return _ESCAPE.sub(replace, token.text[1:-1])


def _error(position: int, reason: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid filter: at position {position}, {reason}.")
