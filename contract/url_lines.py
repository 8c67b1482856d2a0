"""Finds the URLs in a text, CSV or JSONL file that comes in pieces, with the numbers of their lines. Pure.

Only one line, or one row of a CSV file, is in memory at a time, and its length is limited.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from contract.urls_file import UrlsFile, UrlsFileFormat

#: Maximum number of characters of a line; the rest of a longer line is dropped, so its URL is invalid.
MAX_LINE_CHARACTERS = 64 * 1024
MAX_SHOWN_COLUMNS = 20  #: maximum number of columns that the error for a missing one lists
_NOT_UTF_8 = "the line is not UTF-8"


class UrlLine(NamedTuple):
    """A URL of a file.

    Attributes:
        number: the number of its line, from 1; of a CSV row with line breaks, the last one.
        url: the URL, unchecked; if there is none, the beginning of the line.
        why: why there is no URL; `""` if there is one.
    """

    number: int
    url: str
    why: str = ""


class UnreadableFile(ValueError):
    """Nothing of the file can be read."""


def has_header(file: UrlsFile) -> bool:
    """Return whether the first line says which column has the URL, so that it must be read first."""
    return file.chosen_format is UrlsFileFormat.CSV and isinstance(file.field, str)


def url_lines(pieces: Iterable[str], file: UrlsFile, *, before: int = 0, after: int = 0) -> Iterator[UrlLine]:
    """Yield the URLs of a file, in order.

    Args:
        pieces: the text of the file, in pieces of any size; bytes that are not UTF-8 are U+FFFD.
        file: the format of the file, and the field that has the URL.
        before: number of lines before the text, if it does not begin with the first line; 0 if the file has
            a header.
        after: number of the line of a `UrlLine`; only the lines after it are read. 0 for all lines.

    Raises:
        UnreadableFile: if a CSV file has not the column.
    """
    lines = split_lines(pieces)
    if not has_header(file):
        _skip(lines, after - before)
    read = {UrlsFileFormat.TEXT: _text, UrlsFileFormat.CSV: _csv, UrlsFileFormat.JSONL: _jsonl}
    for line in read[file.chosen_format](lines, file, max(before, after)):
        yield line._replace(why=_NOT_UTF_8) if "\ufffd" in line.url and not line.why else line


def split_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines with their line feeds; of a line that is too long, only its beginning."""
    held, is_cut = "", False
    for piece in pieces:
        *lines, last = (held + piece).split("\n")
        for line in lines:
            if not is_cut:
                yield line[:MAX_LINE_CHARACTERS] + "\n"
            is_cut = False
        held = last
        if len(held) > MAX_LINE_CHARACTERS:
            if not is_cut:
                yield held[:MAX_LINE_CHARACTERS] + "\n"
            held, is_cut = "", True
    if held and not is_cut:
        yield held


def _skip(lines: Iterator[str], count: int) -> None:
    deque(islice(lines, max(0, count)), maxlen=0)


def _text(lines: Iterable[str], _: UrlsFile, after: int) -> Iterator[UrlLine]:
    for number, raw in enumerate(lines, after + 1):
        line = raw.strip()
        if line and line[0] != "#":
            yield UrlLine(number, line)


def _jsonl(lines: Iterable[str], file: UrlsFile, after: int) -> Iterator[UrlLine]:
    names = str(file.field).split(".")
    for number, raw in enumerate(lines, after + 1):
        line = raw.strip()
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield UrlLine(number, line[:200], "the line is not JSON")
            continue
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str):
            yield UrlLine(number, value)
        else:
            yield UrlLine(number, line[:200], f"the object has no text in the field {file.field}")


def _csv(lines: Iterator[str], file: UrlsFile, after: int) -> Iterator[UrlLine]:
    rows = csv.reader(lines, strict=True)
    if isinstance(file.field, int):
        index = file.field - 1
    else:
        index = _column(rows, file.field)
        after = max(0, after - rows.line_num)
        _skip(lines, after)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield UrlLine(after + rows.line_num, "", f"the row is not CSV: {error}")
            continue
        if row is None:
            return
        if index < len(row):
            yield UrlLine(after + rows.line_num, row[index].strip())
        elif row:
            why = f"the row has {len(row)} columns, and the URL is in column {index + 1}"
            yield UrlLine(after + rows.line_num, ",".join(row)[:200], why)


def _column(rows: Iterator[list[str]], name: str) -> int:
    try:
        names = [each.strip() for each in next(rows, [])]
    except csv.Error as error:
        raise UnreadableFile(f"line 1: not CSV: {error}") from None
    if name in names:
        return names.index(name)
    shown = ", ".join(names[:MAX_SHOWN_COLUMNS])
    why = f"there is no column {name!r}; the columns are: {shown[:400]}"
    remedy = "sources.urls_file.field has the name of the column, or its number if there is no header"
    raise UnreadableFile(f"line 1: {why}. {remedy}")
