"""What exists in the cloud, apart from Terraform's state: a directory with one JSON file for each resource.

The environment variable STAND_IN_CLOUD names the directory; without it, nothing is recorded. Grants and
enabled APIs are not recorded, because they belong to other resources.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

from validation import Problem

DATASET, TABLE = "google_bigquery_dataset", "google_bigquery_table"
#: Arguments that exist only in Terraform's state, so that an imported resource does not have them.
VIRTUAL = ("deletion_policy", "deletion_protection", "delete_contents_on_destroy")


def create(kind: str, state: dict) -> None:
    """Record a new resource; raise a Problem if it exists already."""
    if file := _file(kind, state["id"]):
        if file.exists():
            raise Problem("Error 409: Already Exists", f"{kind} {state['id']} already exists in the cloud.")
        file.write_text(json.dumps(state), encoding="utf-8")


def update(kind: str, state: dict) -> None:
    """Record the new values of a resource."""
    if file := _file(kind, state["id"]):
        file.write_text(json.dumps(state), encoding="utf-8")


def delete(kind: str, state: dict) -> None:
    """Remove a resource; raise a Problem if it is a dataset that may not be deleted with its tables."""
    file = _file(kind, state["id"])
    if file is None:
        return
    if kind == DATASET:
        tables = [
            table for table in file.parent.glob(f"{TABLE}.*") if f"{quote(state['id'], '')}%2F" in table.name
        ]
        if tables and not state["delete_contents_on_destroy"]:
            raise Problem("Error 400: resourceInUse", f"Dataset {state['dataset_id']} is still in use")
        for table in tables:
            table.unlink()
    file.unlink(missing_ok=True)


def imported(kind: str, name: str) -> dict:
    """Return the values of an existing resource, as an import finds them."""
    file = _file(kind, name)
    if file is None or not file.exists():
        raise Problem("Cannot import non-existent remote object", f"There is no {kind} {name!r}.")
    found = json.loads(file.read_text(encoding="utf-8"))
    return {name: None if name in VIRTUAL else value for name, value in found.items()}


def _file(kind: str, name: str) -> Path | None:
    folder = os.environ.get("STAND_IN_CLOUD")
    if not folder or "_iam_" in kind or kind == "google_project_service":
        return None
    return Path(folder) / f"{kind}.{quote(name, safe='')}.json"
