"""Finds the tags, the texts and the CDATA sections of a sitemap that comes in pieces. Pure.

A tag or a section that does not end is held only up to a maximum length, so the memory that is needed does
not depend on the size of the sitemap, and the time grows linearly with it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: Maximum number of characters that are held until the end of a tag, a CDATA section or a text is found.
#: Beyond it, a text or CDATA section is yielded in parts, and a tag is yielded as text.
MAX_HELD_CHARACTERS = 64 * 1024
_MARKUP = re.compile(
    r"<(?P<leaf>[\w:.-]+)>(?P<leaf_text>[^<>]*)</(?P=leaf)>"  # an element that contains nothing but text
    r"|<(?P<start>[\w:.-]+)(?P<attributes>(?>[^<>\"']+|\"[^\"<]*\"|'[^'<]*')*)>"
    r"|</(?P<end>[\w:.-]+)[^<>]*>"
    r"|(?P<section><!--|<\?|<!\[CDATA\[)"
)
_CDATA = "<![CDATA["
_SECTION_ENDS = {"<!--": "-->", "<?": "?>", _CDATA: "]]>"}
_KINDS = {"leaf_text": "leaf", "attributes": "start", "end": "end"}


class Token(NamedTuple):
    """A part of a sitemap.

    Attributes:
        kind: `leaf` for an element with its text, `start` for a start tag, `end` for an end tag, `text` for
            the text between two other parts, or `cdata`. A text that contains `<` has an incomplete tag.
        tag: the name in the tag, as it is written; `""` for `text` and `cdata`.
        text: the text as it is written, or the attributes of a start tag. They end in `/` if the element is
            empty.
    """

    kind: str
    tag: str
    text: str


def read_markup(pieces: Iterable[str]) -> Iterator[Token]:
    """Yield the parts of a sitemap in order, without its comments and processing instructions.

    How the sitemap is divided into pieces makes no difference, except that an element with a text may be
    yielded as `leaf`, or as `start`, `text` and `end`.

    Args:
        pieces: the sitemap from its root element on.
    """
    scanner = _Scanner()
    for piece in pieces:
        yield from scanner.scan(piece)
    yield from scanner.scan("", is_forced=True)


class _Scanner:
    """Scans one piece after another, and holds the end of a piece that may continue in the next."""

    def __init__(self) -> None:
        self._held = ""
        self._section_end = ""  # the end of the section that is being skipped

    def scan(self, piece: str, *, is_forced: bool = False) -> Iterator[Token]:
        """Yield the parts that end in this piece.

        Args:
            piece: the next piece.
            is_forced: whether to hold nothing: what has no end so far is yielded as text.
        """
        text, self._held = self._held + piece, ""
        place = self._skip(text)
        # A tag contains no `<`, so everything before the last one is complete, unless it is a section.
        end = len(text) if is_forced else text.rfind("<")
        while place < end:
            section = None
            for match in _MARKUP.finditer(text, place, end):
                if match.start() > place:
                    yield Token("text", "", text[place : match.start()])
                place, group = match.end(), match.lastgroup or ""
                if group == "section":
                    section = match
                    break
                kind = _KINDS[group]
                yield Token(kind, match[kind], match[group])
            if section is None:
                if end > place:
                    yield Token("text", "", text[place:end])
                place = end
                break
            place, content = self._read_section(text, section, is_forced=is_forced)
            if content:
                yield Token("cdata", "", content)
        self._held = self._held or text[place:]
        if len(self._held) > MAX_HELD_CHARACTERS and not is_forced:
            yield from self.scan("", is_forced=True)

    def _skip(self, text: str) -> int:
        """Return the place after the section that is being skipped; 0 if there is no such section."""
        if not self._section_end:
            return 0
        found = text.find(self._section_end)
        if found < 0:
            self._held = text[1 - len(self._section_end) :]
            return len(text)
        place, self._section_end = found + len(self._section_end), ""
        return place

    def _read_section(self, text: str, opening: re.Match[str], *, is_forced: bool) -> tuple[int, str]:
        """Return the place after a section, or after what is known of it, and its content if it is CDATA."""
        kind, place = opening["section"], opening.end()
        found = text.find(_SECTION_ENDS[kind], place)
        if found >= 0:
            return found + len(_SECTION_ENDS[kind]), text[place:found] if kind == _CDATA else ""
        if kind == _CDATA and not is_forced:
            self._held = text[opening.start() :]
            return len(text), ""
        self._section_end = _SECTION_ENDS[kind]
        self._held = text[max(place, len(text) + 1 - len(self._section_end)) :]
        return len(text), text[place:] if kind == _CDATA else ""
