"""Runs the simulation's command in a process of its own, because it replaces functions of the worker."""

import subprocess
import sys

from tests.repository.tree import ROOT


def simulation(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m simulation` with these arguments, and return the finished process."""
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
