"""Expands URL templates such as `https://a.example/list?page={1..200}`. Pure.

The syntax is that of brace expansion in shells: `{1..200}` counts, `{1..200..10}` counts in steps,
`{001..200}` pads with zeros, and `{de,fr}` lists alternatives. Several braces give every combination, the
last one changing fastest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

MAX_BRACES = 5  #: maximum number of braces in one template
MAX_EXPANSIONS = 1_000_000  #: maximum number of URLs of one template
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(-?[0-9]{1,9})\.\.(-?[0-9]{1,9})(?:\.\.(-?[0-9]{1,9}))?")


@dataclass(frozen=True)
class _Range:
    """The numbers of a range, as texts of at least `width` characters."""

    numbers: range
    width: int

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return (f"{number:0{self.width}d}" for number in self.numbers)


class UrlTemplate:
    """A URL with braces, each of which stands for several texts.

    Args:
        text: the template.

    Raises:
        ValueError: if the template is invalid; the message says where and why.
    """

    def __init__(self, text: str) -> None:
        parts = _BRACES.split(text)
        self._literals = parts[::2]
        if any("{" in literal or "}" in literal for literal in self._literals):
            raise ValueError("a brace without its counterpart; a literal brace is %7B or %7D in a URL")
        self._choices = [_choices(inner) for inner in parts[1::2]]
        if not self._choices:
            raise ValueError("there are no braces, such as {1..200}; give a single URL in urls")
        if len(self._choices) > MAX_BRACES:
            raise ValueError(f"{len(self._choices)} braces; the maximum is {MAX_BRACES}")
        if len(self) > MAX_EXPANSIONS:
            raise ValueError(f"it stands for {len(self)} URLs; the maximum is {MAX_EXPANSIONS}")

    def __len__(self) -> int:
        """The number of URLs."""
        return prod(map(len, self._choices))

    def __iter__(self) -> Iterator[str]:
        """Yield the URLs, in order."""
        first, *rest = self._literals
        for chosen in product(*self._choices):
            yield first + "".join(text for pair in zip(chosen, rest, strict=True) for text in pair)


def _choices(inner: str) -> _Range | list[str]:
    match = _RANGE.fullmatch(inner)
    if match is None:
        if "," not in inner:
            raise ValueError(f"{{{inner[:40]}}} is neither a range ({{1..200}}) nor a list ({{de,fr}})")
        return inner.split(",")
    first, last = int(match[1]), int(match[2])
    step = int(match[3]) if match[3] else (1 if first <= last else -1)
    if step == 0 or (last - first) * step < 0:
        raise ValueError(f"{{{inner}}} has no numbers: its step leads away from its end")
    is_padded = any(
        number.lstrip("-").startswith("0") and len(number.lstrip("-")) > 1 for number in match.group(1, 2)
    )
    width = max(len(match[1]), len(match[2])) if is_padded else 0
    return _Range(range(first, last + (1 if step > 0 else -1), step), width)
