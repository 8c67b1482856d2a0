"""Tests that each behaviour is named by the docstring of a test."""

import re
from pathlib import Path
from typing import Final

from tests.conformance.behaviours import BEHAVIOURS

#: Behaviours that the official emulator does not have, so that only tests/localpubsub tests them: messages
#: survive SIGKILL (31), scaled time (33) and chaos switches (34).
LOCALPUBSUB_ONLY: Final = {31, 33, 34}

_NAMED: Final = re.compile(r'"""Behaviours? ((?:\d+|, | and )+):')


def test_every_behaviour_has_a_test() -> None:
    """Each behaviour is in the docstring of a test, and each number in a docstring is a behaviour."""
    named = {
        int(number)
        for file in Path(__file__).parent.glob("test_*.py")
        for numbers in _NAMED.findall(file.read_text())
        for number in re.findall(r"\d+", numbers)
    }
    assert sorted(named - BEHAVIOURS.keys()) == []
    assert sorted(BEHAVIOURS.keys() - LOCALPUBSUB_ONLY - named) == []
