"""Keeps the rows of runs in docs/reference/guarantees.json."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.journey.chaos.verdict import Row
from tests.repository.tree import ROOT

RECORDS = ROOT / "docs" / "reference" / "guarantees.json"


def read_rows(path: Path = RECORDS) -> list[Row]:
    """Return the recorded rows; none if there is no file."""
    if not path.exists():
        return []
    return [Row(**each) for each in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def write_rows(rows: Iterable[Row], path: Path = RECORDS) -> None:
    """Record rows. A row replaces an earlier one of the same system, fault and seed."""
    kept = {(each.system, each.fault, each.seed): each for each in [*read_rows(path), *rows]}
    ordered = [asdict(row) for _, row in sorted(kept.items())]
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"rows": ordered}, indent=1) + "\n", encoding="utf-8")
    written.replace(path)
