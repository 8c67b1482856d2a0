"""Reads the lock files in locks/."""

import re
from functools import cache
from typing import NamedTuple

from tests.repository.tree import ROOT

REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^]]*\])?\s*(?P<constraint>[^;\s]*)\s*(?:;(?P<when>.*))?"
)


class Pin(NamedTuple):
    """One locked requirement.

    Attributes:
        constraint: the version, for example ``==2.3.1``.
        hashes: the permitted hashes of its files, for example ``sha256:…``.
    """

    constraint: str
    hashes: tuple[str, ...]


def normalized(name: str) -> str:
    """Return a distribution's name in the normalized form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def locked(lock: str) -> dict[str, Pin]:
    """Return the requirements of a lock file by name."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")
    ]
    pins = {}
    for line in lines:
        requirement, *hashes = line.split("--hash=")
        match = REQUIREMENT.fullmatch(requirement.strip())
        assert match, f"not a requirement: {line[:80]}"
        pins[normalized(match["name"])] = Pin(match["constraint"], tuple(each.strip() for each in hashes))
    return pins
