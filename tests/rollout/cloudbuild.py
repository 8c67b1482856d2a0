"""Reads cloudbuild.yaml and cloudbuild-check.yaml."""

from functools import cache
from typing import Any

import yaml

from tests.repository.tree import ROOT

BUILD = "cloudbuild.yaml"
CHECK = "cloudbuild-check.yaml"


@cache
def document(name: str) -> dict[str, Any]:
    """Return the YAML document of a build."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return loaded


def steps(name: str) -> dict[str, dict[str, Any]]:
    """Return a build's steps by id."""
    return {step["id"]: step for step in document(name)["steps"]}


def scripts() -> dict[str, str]:
    """Return the text of every shell script, by its file name or by its build's file and step."""
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("*.sh")}
    inline = {
        f"{name} {step_id}": step["script"]
        for name in (BUILD, CHECK)
        for step_id, step in steps(name).items()
    }
    return files | inline
