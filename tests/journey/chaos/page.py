"""Makes the tables of docs/guarantees.md and of the README from the recorded rows."""

from collections.abc import Iterable, Iterator, Sequence

from tests.journey.chaos.faults import FAULTS
from tests.journey.chaos.records import read_rows
from tests.journey.chaos.verdict import Row

OURS = "Scrapeq"
HEAD = (
    "what happens",
    "system",
    "jobs acknowledged",
    "lost",
    "twice in effect",
    "fetched twice",
    "dead without a reason",
    "attempts spent by infrastructure",
    "seconds to the last result",
    "faults",
    "seed",
)
TOTALS = ("jobs acknowledged", "lost", "twice in effect", "dead without a reason", "unexplained")
SUMMARY_HEAD = ("kinds of faults", "runs", *TOTALS)
SEEDS_HEAD = ("fault", "fresh seeds", *TOTALS)


def guarantees() -> str:
    """Return the table with one row for each fault and system: the largest recorded run."""
    return _table(HEAD, (_cells(row) for row in main_rows(read_rows())))


def repeats() -> str:
    """Return the table of the promises, each with the command that repeats its row."""
    rows = {row.fault: row for row in main_rows(read_rows()) if row.system == OURS}
    return _table(
        ("fault", "what is promised", "command", "version", "date"),
        (
            [f"`{name}`", _sentence(fault.promise), f"`{row.command}`", row.version, row.date]
            for name, fault in FAULTS.items()
            if (row := rows.get(name))
        ),
    )


def fresh_seeds() -> str:
    """Return the table of the runs with other seeds than the main ones, summed for each fault."""
    rows = read_rows()
    main = main_rows(rows)
    return _table(SEEDS_HEAD, _sums([row for row in rows if row.system == OURS and row not in main]))


def summary() -> str:
    """Return the small table of the README: all recorded runs with a fault, summed."""
    rows = [row for row in read_rows() if row.system == OURS and row.fault != "none"]
    numbers = (len({row.fault for row in rows}), len(rows), *_totals(rows))
    return _table(SUMMARY_HEAD, [[f"{number:,}" for number in numbers]])


def main_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the largest run of each fault and system, in the order of the faults; the newest of equals."""
    found: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row.jobs, row.date)):
        found[row.fault, row.system] = row
    order = list(FAULTS)
    known = [row for row in found.values() if row.fault in FAULTS]
    return sorted(known, key=lambda row: (order.index(row.fault), row.system != OURS, row.system))


def _sums(rows: Sequence[Row]) -> Iterator[list[str]]:
    for name in FAULTS:
        runs = [row for row in rows if row.fault == name]
        if runs:
            yield [f"`{name}`", *(f"{number:,}" for number in (len(runs), *_totals(runs)))]


def _totals(rows: Sequence[Row]) -> tuple[int, ...]:
    """Return the numbers of TOTALS."""
    return (
        sum(row.jobs for row in rows),
        sum(row.lost for row in rows),
        sum(row.twice for row in rows),
        sum(row.unreasoned + row.healthy_dead for row in rows),
        sum(len(row.findings) for row in rows),
    )


def _cells(row: Row) -> list[str]:
    numbers = (row.jobs, row.lost, row.twice, row.refetched, row.unreasoned + row.healthy_dead)
    return [
        _sentence(FAULTS[row.fault].title),
        row.system,
        *(f"{number:,}" for number in numbers),
        f"{row.infrastructure:,}",
        f"{row.seconds:,.0f}",
        f"{row.injected:,}",
        str(row.seed),
    ]


def _sentence(text: str, end: str = ".") -> str:
    return text[:1].upper() + text[1:] + end


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
