"""Queries the fields of the items of a run: how often each has a value, examples, and what was amiss."""

import re
from collections import defaultdict
from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

MAX_EXAMPLES: Final = 3  #: maximum number of values and of URLs that are shown for a field
MAX_WARNINGS: Final = 1000  #: maximum number of different texts of warnings that are read
#: Parameter: the run id.
FIELDS_QUERY: Final = """
    SELECT coalesce(recipe, ''), field, sum(items), sum(filled) FROM `${ledger}.fields`
    WHERE run_id = ? GROUP BY 1, 2 ORDER BY 1, 2"""
EXAMPLES_QUERY: Final = """
    SELECT coalesce(recipe, ''), field, is_filled, coalesce(url, ''), coalesce(value, '')
    FROM `${ledger}.field_examples` WHERE run_id = ? ORDER BY 1, 2, 3, 4"""
#: Parameters: the run id, and the maximum number of rows.
WARNINGS_QUERY: Final = """
    SELECT coalesce(recipe, ''), detail, jobs, coalesce(url, '') FROM `${ledger}.page_warnings`
    WHERE run_id = ? ORDER BY jobs DESC, detail LIMIT ?"""

CRAWLS_QUERY: Final = "SELECT run_id, crawl FROM `${ledger}.run_crawls`"


class Complaint(NamedTuple):
    """A warning about pages that were scraped; `url` is one of them.

    The numbers in the text are replaced by `N`, so that pages with the same fault count as one.
    """

    text: str
    jobs: int
    url: str


class FieldRow(NamedTuple):
    """A field of the items of a run.

    Attributes:
        recipe: name of the recipe.
        field: name of the field, of the first level of an item; `""` for complaints about whole pages.
        items: number of items that have the field.
        filled: how many of them have a value that is not null, an empty text or an empty array.
        previous_rate: share of filled items in the previous run, from 0 to 1; None if unknown.
        samples: up to 3 values, as JSON.
        empty_urls: up to 3 URLs of pages with an item without a value.
        complaints: the warnings about the field, the most frequent first.
    """

    recipe: str
    field: str
    items: int
    filled: int
    previous_rate: float | None = None
    samples: tuple[str, ...] = ()
    empty_urls: tuple[str, ...] = ()
    complaints: tuple[Complaint, ...] = ()

    @property
    def rate(self) -> float:
        """Share of filled items, from 0 to 1; 1 if there are no items."""
        return self.filled / self.items if self.items else 1.0


def field_rows(ledger: Ledger, run_id: str, previous_run_id: str | None = None) -> list[FieldRow]:
    """Return the fields of a run by recipe and name; those of the previous run give `previous_rate`."""
    previous = dict[tuple[str, str], float]()
    if previous_run_id is not None:
        for recipe, field, items, filled in ledger.rows(FIELDS_QUERY, previous_run_id):
            previous[recipe, field] = filled / items
    samples, empty = (
        defaultdict[tuple[str, str], list[str]](list),
        defaultdict[tuple[str, str], list[str]](list),
    )
    for recipe, field, is_filled, url, value in ledger.rows(EXAMPLES_QUERY, run_id):
        (samples if is_filled else empty)[recipe, field].append(value if is_filled else url)
    complaints = _complaints(ledger, run_id)
    rows = [
        FieldRow(
            recipe,
            field,
            items,
            filled,
            previous.get((recipe, field)),
            _first(samples[recipe, field]),
            _first(empty[recipe, field]),
            complaints.pop((recipe, field), ()),
        )
        for recipe, field, items, filled in ledger.rows(FIELDS_QUERY, run_id)
    ]
    others = defaultdict[str, list[Complaint]](list)  # of whole pages, not of a field
    for (recipe, _), found in complaints.items():
        others[recipe] += found
    return rows + [
        FieldRow(recipe, "", 0, 0, complaints=tuple(found)) for recipe, found in sorted(others.items())
    ]


def previous_run(ledger: Ledger, run_id: str) -> str | None:
    """Return the newest run of the same crawl that began before this run; None if there is none."""
    crawls = dict(ledger.rows(CRAWLS_QUERY))
    runs = [each for each in ledger.runs() if crawls.get(each) == crawls.get(run_id)]
    following = runs[runs.index(run_id) + 1 :] if run_id in runs and run_id in crawls else []
    return following[0] if following else None


def _complaints(ledger: Ledger, run_id: str) -> dict[tuple[str, str], tuple[Complaint, ...]]:
    """Return the warnings by recipe and the field that they are about, the most frequent first.

    The detail of a success contains its warnings, separated by `; `. A warning about a field begins with
    the field's path and a colon (extraction/extract.py).
    """
    found = defaultdict[tuple[str, str], dict[str, Complaint]](dict)
    for recipe, detail, jobs, url in ledger.rows(WARNINGS_QUERY, run_id, MAX_WARNINGS):
        for warning in detail.split("; "):
            path = re.match(r"[^\s:]+(?=: )", warning)
            field = re.split(r"[.\[]", path[0])[0] if path else ""
            text = re.sub(r"\d+", "N", warning)
            known = found[recipe, field].get(text)
            total = jobs + (known.jobs if known else 0)
            found[recipe, field][text] = Complaint(text, total, known.url if known else url)
    return {
        key: tuple(sorted(texts.values(), key=lambda each: (-each.jobs, each.text)))
        for key, texts in found.items()
    }


def _first(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[:MAX_EXAMPLES]
