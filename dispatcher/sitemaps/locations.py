"""Finds the locations in the text of a sitemap. Pure.

The formats are those of https://www.sitemaps.org/protocol.html: XML, an index of sitemaps, RSS, Atom, and a
text file with a URL in each line. Sites write sitemaps that are not quite well-formed, so what can be
understood is read, and `SourceUnreadable` reports what was not.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from contract.urls import SCHEMES
from dispatcher.sitemaps.elements import xml_locations
from dispatcher.sitemaps.entry import Location
from dispatcher.sitemaps.markup import MAX_HELD_CHARACTERS, Token, read_markup
from dispatcher.sitemaps.root import MAX_PROLOG_CHARACTERS, find_root
from dispatcher.sources.source import SourceUnreadable

#: Maximum number of parts (tags, texts or lines) of a sitemap, as bytes of the maximum size for each. With
#: the default of SITEMAP_MAX_BYTES these are 3 million; a page needs about 20 bytes for each of its tags.
BYTES_PER_PART = 16
_URL_LINE = re.compile(rf"(?:{'|'.join(SCHEMES)})://\S+", re.IGNORECASE)


def locations(pieces: Iterable[str], url: str = "", *, max_parts: int = 1_000_000) -> Iterator[Location]:
    """Yield the locations that a sitemap lists, in order.

    Declared entities are not expanded, and no DTD or other file is loaded.

    Args:
        pieces: the text of the sitemap, in pieces of any size.
        url: the URL of the sitemap, against which the links of RSS and Atom are resolved.
        max_parts: the maximum number of tags, texts and lines that are read.

    Raises:
        SourceUnreadable: if the text is no sitemap; or, after all locations that could be read have been
            yielded, if the sitemap has entries that could not, or more parts than the maximum.
    """
    pieces = iter(pieces)
    head = ""
    while len(head) < MAX_PROLOG_CHARACTERS and (piece := next(pieces, "")):
        head += piece
    root = find_root(head)
    if root is None:
        yield from _text_locations(_lines(chain([head], pieces)), max_parts)
    else:
        tokens = read_markup(chain([head[root.start :]], pieces))
        yield from xml_locations(_at_most(max_parts, tokens), root, url)


def _at_most(count: int, tokens: Iterable[Token]) -> Iterator[Token]:
    for number, token in enumerate(tokens):
        if number == count:
            raise SourceUnreadable(_too_many(count))
        yield token


def _too_many(count: int) -> str:
    return f"its rest was not read, because it has more than {count:,} tags or lines"


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines; of a line that is longer than `MAX_HELD_CHARACTERS` only its beginning."""
    held, is_cut = "", False
    for piece in pieces:
        *lines, last = (held + piece).splitlines(keepends=True) or [""]
        is_complete = last.endswith("\n")
        yield from lines[is_cut:] if lines else ()
        is_cut = is_cut and not lines
        held = last
        if is_complete or len(last) > MAX_HELD_CHARACTERS:
            yield from () if is_cut else (last,)
            held, is_cut = "", not is_complete
    yield from () if is_cut else (held,)


def _text_locations(lines: Iterable[str], max_lines: int) -> Iterator[Location]:
    """Yield the lines of a text file that are URLs."""
    count = others = 0
    why = ""
    for number, raw in enumerate(lines):
        if number == max_lines:
            why = _too_many(max_lines)
            break
        line = raw.strip("\ufeff \t\0\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        if not line or line[0] == "#":
            continue
        count += 1
        if _URL_LINE.fullmatch(line):
            yield Location(line, is_sitemap=False)
        else:
            others += 1
    if count == others:
        raise SourceUnreadable(
            "not a sitemap: neither XML, RSS or Atom, nor a text file with a URL in each line"
        )
    faults = [f"{others} of its {count} lines are not URLs"] if others else []
    if faults or why:
        raise SourceUnreadable("; ".join(filter(None, [*faults, why])))
