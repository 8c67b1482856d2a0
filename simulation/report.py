"""Prints the results of seeds and of broken variants, and writes their tables into the documentation."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulation.campaign import Campaign
from simulation.capacity import CapacityResult
from simulation.storms import StormResult

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "simulation.md"


@dataclass(frozen=True)
class CaughtVariant:
    """How a broken variant was noticed.

    Attributes:
        name: name of the variant.
        rule: the rule that it breaks.
        invariants: the invariants that noticed it, in the seed where it was noticed.
        seeds: number of seeds until then; None if no seed noticed it.
        example: the first violation.
    """

    name: str
    rule: str
    invariants: tuple[str, ...]
    seeds: int | None
    example: str = ""


def show_campaign(campaign: Campaign, console: Console, *, documents: bool) -> int:
    """Print how many seeds passed, which failed, and what the seeds covered; return the exit status."""
    results = campaign.results
    jobs, deliveries = sum(each.jobs for each in results), sum(each.deliveries for each in results)
    hours = sum(each.virtual_seconds for each in results) / 3600
    summary = (
        f"{len(results):,} seeds, {jobs:,} jobs, {deliveries:,} deliveries, {hours:,.0f} virtual hours: "
        f"{len(campaign.failures)} seeds with violations{' (interrupted)' if campaign.is_interrupted else ''}"
    )
    table = Table("what", "number of seeds", title="What the seeds covered")
    for category, counts in coverage(campaign):
        table.add_row(category, counts)
    console.print(table)
    console.print(summary)
    for result in campaign.failures[:20]:
        command = f"python -m simulation --seed {result.seed} --trace"
        console.print(f"  {command}   {result.violations[0]}", highlight=False)
    if documents and not campaign.is_interrupted:
        _document("coverage", f"{summary}.\n\n{_markdown(['what', 'number of seeds'], coverage(campaign))}")
    return int(bool(campaign.failures) or campaign.is_interrupted)


def coverage(campaign: Campaign) -> list[tuple[str, str]]:
    """Return for each category what the seeds covered, each with the number of seeds."""
    counts = Counter(name for result in campaign.results for name in result.covered)
    categories: dict[str, list[str]] = {}
    for name, count in sorted(counts.items()):
        category, _, what = name.partition(": ")
        categories.setdefault(category, []).append(f"{what.replace('_', ' ')} {count:,}")
    return [(category, ", ".join(entries)) for category, entries in categories.items()]


def show_variants(caught: list[CaughtVariant], console: Console, *, documents: bool) -> int:
    """Print which invariants noticed each broken variant; return the exit status."""
    table = Table("variant", "noticed by", "seeds", "example", title="Broken variants")
    rows = []
    for each in caught:
        seeds = "not noticed" if each.seeds is None else str(each.seeds)
        table.add_row(each.name, ", ".join(each.invariants), seeds, each.example)
        rows.append((each.name, each.rule, ", ".join(f"`{name}`" for name in each.invariants), seeds))
    console.print(table)
    if documents:
        _document("variants", _markdown(["variant", "rule that it breaks", "noticed by", "seeds"], rows))
    return int(any(each.seeds is None for each in caught))


def show_capacity(results: Iterable[CapacityResult], console: Console, *, documents: bool) -> int:
    """Print the grid of configurations, policies and response times; return the exit status."""
    names = ["Terraform", "ACK_POLICY", "page", "jobs", "dead without a fetch", "429", "deliveries", "hours"]
    rows, is_failure = [], False
    for each in results:
        counts = [each.jobs, each.dead_without_fetch, each.rejected, each.deliveries]
        shown = [f"{count:,}" for count in counts]
        rows.append(
            (each.configuration, each.policy, f"{each.page_seconds:g} s", *shown, f"{each.hours:.2f}")
        )
        console.print(*rows[-1], highlight=False)
        is_failure |= bool(each.dead)
    if documents:
        _document("capacity", _markdown(names, rows))
    return int(is_failure)


def show_storms(results: Iterable[StormResult], console: Console, *, documents: bool) -> int:
    """Print the rows of the storms; return the exit status."""
    names = ["what", "ACK_POLICY", "jobs", "succeeded", "messages of a job", "fetches of a page", "hours"]
    rows, is_failure = [], False
    for each in results:
        counts = [each.jobs, each.succeeded, each.max_messages, each.max_fetches]
        rows.append((each.name, each.policy, *(f"{count:,}" for count in counts), f"{each.hours:.2f}"))
        console.print(*rows[-1], highlight=False)
        for violation in each.violations[:3]:
            console.print(f"  [red]{violation}[/red]", highlight=False)
        is_failure |= bool(each.violations)
    if documents:
        _document("storms", _markdown(names, rows))
    return int(is_failure)


def _markdown(names: list[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in [names, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(names), *lines[1:]])


def _document(name: str, table: str) -> None:
    """Replace the table between the marks `<!-- name -->` and `<!-- end of name -->` of the documentation."""
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", text)
    if not count:
        raise ValueError(f"{PAGE} has no table {name}")
    PAGE.write_text(replaced, encoding="utf-8")
