"""Reads the lines of text in an SVG that rich has drawn of a terminal. Pure."""

import re
from collections import defaultdict
from html import unescape
from typing import Final

#: A piece of text: its distance from the left, the number of its line, and its characters.
_TEXT: Final = re.compile(r'<text [^>]*? x="([\d.]+)"[^>]*?clip-path="url\(#\w+-line-(\d+)\)">([^<]*)</text>')
PROMPT: Final = "$ "


def picture_lines(svg: str) -> list[str]:
    """Return the lines of the terminal in a picture, without spaces at their ends."""
    lines = defaultdict[int, list[tuple[float, str]]](list)
    for left, line, text in _TEXT.findall(svg):
        lines[int(line)].append((float(left), unescape(text).replace("\xa0", " ")))
    return ["".join(text for _, text in sorted(lines[number])).rstrip() for number in sorted(lines)]


def picture_commands(svg: str) -> list[str]:
    """Return the commands in a picture."""
    return [line.removeprefix(PROMPT) for line in picture_lines(svg) if line.startswith(PROMPT)]


def stable_lines(text: str) -> set[str]:
    """Return the lines that are the same in each run: those without digits, with single spaces."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return {line for line in lines if line.strip(" ─") and not re.search(r"\d", line)}
