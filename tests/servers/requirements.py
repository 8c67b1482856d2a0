"""Skips a test if a program that it needs is missing; in CI, the test fails instead."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test with `reason`, or fail it if the environment variable CI is set.

    CI installs every program that the tests need, so a missing program is an error there.
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
