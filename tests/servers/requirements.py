"""What a test needs of this machine: a missing program skips the test on a laptop, and fails it in CI."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test with `reason`; fail it where the environment variable CI is set.

    CI installs every program that the tests need (.ci/run), so that a missing one is a fault there.
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
