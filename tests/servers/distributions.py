"""Builds the wheels of this repository, and installs them into new environments."""

import os
import subprocess
import sys
from pathlib import Path

from tests.repository.lock_files import locked
from tests.repository.tree import ROOT
from tests.servers.requirements import skip_or_fail

#: The directory of the pyproject.toml of each distribution.
DIRECTORIES = {"localpubsub": ROOT / "localpubsub", "scrapeq": ROOT}
INSTALL_SECONDS = 1200  #: limit against hanging; pip needs up to some minutes


def build_wheel(name: str, target: Path) -> Path:
    """Build the wheel of a distribution into the directory `target`; return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=DIRECTORIES[name], capture_output=True, check=True)
    [wheel] = target.glob(f"{name}-*.whl")
    return wheel


def install(requirements: list[str], wheels: Path, environment: Path) -> Path:
    """Install requirements with their dependencies into a new environment.

    The versions of the dependencies are those of locks/dev.txt. The test is skipped if there is no package
    index; in CI, it fails.

    Args:
        requirements: name, extras and version of each.
        wheels: directory of the wheels of this repository.
        environment: directory of the new environment.

    Returns:
        The directory of its programs.
    """
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    constraints = environment / "constraints.txt"
    constraints.write_text("".join(f"{name}{pin.constraint}\n" for name, pin in locked("dev").items()))
    options = ["--quiet", "--disable-pip-version-check", "--find-links", str(wheels)]
    command = [str(programs / "python"), "-m", "pip", "install", *options, "--constraint", str(constraints)]
    done = subprocess.run(
        [*command, *requirements], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        skip_or_fail(f"{requirements} cannot be installed: {done.stderr[-2000:]}")
    return programs
