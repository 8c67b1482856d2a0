"""The list of behaviours that make a stand-in believable, held against the names in this suite."""

import re
from pathlib import Path
from typing import Final

#: Behaviours 1 to 34 of a stand-in for Pub/Sub; each has at least one test whose docstring names it.
BEHAVIOURS: Final = set(range(1, 35))
#: Tested elsewhere, for they are about what the official emulator does not have at all: REST for gcloud,
#: kills, export to BigQuery, scaled time, chaos.
ELSEWHERE: Final = {2, 31, 32, 33, 34}

_NAMED: Final = re.compile(r'"""Behaviours? ((?:\d+|, | and )+):')


def test_every_behaviour_has_a_test() -> None:
    """So that none is forgotten, and each can be found."""
    named = {
        int(number)
        for file in Path(__file__).parent.glob("test_*.py")
        for numbers in _NAMED.findall(file.read_text())
        for number in re.findall(r"\d+", numbers)
    }
    assert sorted(named - BEHAVIOURS) == []
    assert sorted(BEHAVIOURS - ELSEWHERE - named) == []
