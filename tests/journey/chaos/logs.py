"""Reads the logs of a run: which pushes left no outcome, and which lines nobody has documented."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from contract.outcome import Reason
from tests.repository.tree import ROOT

#: Reasons with which a push is answered although the ledger need not have an outcome; the log has a line.
ANSWERED_WITHOUT_OUTCOME = frozenset(
    {
        Reason.DUPLICATE_DELIVERY,
        Reason.PUBLISH_UNCONFIRMED,
        Reason.NO_TOKEN,
        Reason.BAD_TOKEN,
        Reason.WRONG_CALLER,
        Reason.NO_CERTIFICATES,
        Reason.BAD_ENVELOPE,
    }
)
#: A line of a service: time, level, event. gunicorn and localpubsub write other lines.
EVENT = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ (?P<level>[A-Z]+) +(?P<event>\S+)(?P<rest>.*)")
#: What the line of an error looks like, whoever has written it.
ALARM = re.compile(r"\b(?:ERROR|CRITICAL)\b|Traceback \(most recent call last\)")
DOCUMENTED = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)
MAX_LINE_CHARACTERS = 300  #: number of characters of a reported line


def documented_events() -> frozenset[str]:
    """Return the names of the events in docs/reference/log-events.md."""
    page = (ROOT / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
    return frozenset(DOCUMENTED.findall(page))


def lines_of(logs: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of all logs of a directory, each with the name of its service."""
    for path in sorted(logs.glob("*.log")):
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield path.stem, line.rstrip("\n")


def answers_without_outcome(logs: Path) -> Counter[str]:
    """Return how many pushes the worker answered for each reason of ANSWERED_WITHOUT_OUTCOME."""
    found = Counter[str]()
    for service, line in lines_of(logs):
        match = EVENT.match(line)
        if service == "worker" and match and match["event"] == "delivery_finished":
            reason = re.search(r" reason=(\w+)", match["rest"])
            if reason and reason[1] in ANSWERED_WITHOUT_OUTCOME:
                found[reason[1]] += 1
    return found


def unexplained_lines(logs: Path, expected: Sequence[str]) -> list[str]:
    """Return the lines that report an error which neither the documentation nor the fault explains.

    Args:
        logs: directory of the logs.
        expected: patterns of the lines of errors that the fault causes.
    """
    known, found = documented_events(), list[str]()
    for service, line in lines_of(logs):
        event = EVENT.match(line)
        if event and service in {"worker", "dispatcher"}:
            is_unknown = event["level"] not in {"INFO", "DEBUG"} and event["event"] not in known
            is_bug = (
                event["event"] == "dispatch_crashed" or f"reason={Reason.INTERNAL_ERROR}" in event["rest"]
            )
        else:
            is_unknown, is_bug = bool(ALARM.search(line)), False
        if (is_unknown or is_bug) and not any(re.search(each, line) for each in expected):
            found.append(f"{service}: {line[:MAX_LINE_CHARACTERS]}")
    return found
