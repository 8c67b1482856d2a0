"""Every behaviour has a test whose docstring names it."""

import re
from pathlib import Path
from typing import Final

#: The numbers of the behaviours in behaviours.py.
BEHAVIOURS: Final = set(range(1, 35))
#: Behaviours that are tested elsewhere because the official emulator lacks them: REST for gcloud, kills,
#: export to BigQuery, scaled time, chaos.
ELSEWHERE: Final = {2, 31, 32, 33, 34}

_NAMED: Final = re.compile(r'"""Behaviours? ((?:\d+|, | and )+):')


def test_every_behaviour_has_a_test() -> None:
    """Each behaviour is named by the docstring of a test, and each named number is a behaviour."""
    named = {
        int(number)
        for file in Path(__file__).parent.glob("test_*.py")
        for numbers in _NAMED.findall(file.read_text())
        for number in re.findall(r"\d+", numbers)
    }
    assert sorted(named - BEHAVIOURS) == []
    assert sorted(BEHAVIOURS - ELSEWHERE - named) == []
