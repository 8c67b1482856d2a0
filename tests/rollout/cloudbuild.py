"""Read cloudbuild.yaml and cloudbuild-check.yaml."""

from functools import cache
from typing import Any

import yaml

from tests.repository.tree import ROOT

BUILD = "cloudbuild.yaml"
CHECK = "cloudbuild-check.yaml"


@cache
def document(name: str) -> dict[str, Any]:
    """Return the YAML document of a build."""
    read: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return read


def steps(name: str) -> dict[str, dict[str, Any]]:
    """Return a build's steps by id."""
    return {step["id"]: step for step in document(name)["steps"]}


def scripts() -> dict[str, str]:
    """Return every shell script of scripts/ and of the builds, by its place."""
    found = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("*.sh")}
    inline = {
        f"{name} {each}": step["script"] for name in (BUILD, CHECK) for each, step in steps(name).items()
    }
    return found | inline
