"""Keeps the result of the last soak, and makes its table for the documentation."""

import json
from typing import Any

from tests.journey.soak.trend import ALLOWANCE
from tests.repository.tree import ROOT

RECORD = ROOT / "docs" / "reference" / "soak.json"
HEAD = ("service", "memory, MiB", "growth", "descriptors", "growth", "threads", "growth")


def soak_table() -> str:
    """Return the table of the last soak, and a sentence about it."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    rows = [
        [f"`{name}`", *(f"{used[kind][value]:g}" for kind in ALLOWANCE for value in ("median", "growth"))]
        for name, used in record["services"].items()
    ]
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    sentence = (
        f"{record['jobs']:,} jobs in {record['minutes']:g} minutes, {record['lost']} lost "
        f"({record['date']}, version {record['version']})."
    )
    return f"{table}\n\n{sentence}"
