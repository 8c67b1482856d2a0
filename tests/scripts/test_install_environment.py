"""Tests of the progress display of the installation."""

import subprocess
import sys

import pytest

from scripts.install_environment import (
    LOCK,
    Progress,
    installed_packages,
    locked_installation,
    locked_packages,
    run,
)
from tests.repository.tree import ROOT


def test_locked_packages_are_those_of_the_lock_file() -> None:
    """The names of the packages in a lock file are returned, without hashes and comments."""
    lock = "# comment\naiohttp==3.13 \\\n    --hash=sha256:00\nPyJWT==2.10 ; python_version < '4'\n"
    assert locked_packages(lock) == ["aiohttp", "PyJWT"]
    assert len(locked_packages(LOCK.read_text(encoding="utf-8"))) > 100


def test_progress_without_a_terminal_is_a_line_for_every_25_packages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line is printed for every 25 packages; the total excludes packages that this platform ignores."""
    progress = Progress(62)
    for line in ["Ignoring colorama: markers 'x' don't match your environment", *["Collecting a==1"] * 60]:
        progress.read(line)
        progress.show()
    assert capsys.readouterr().out.splitlines() == [
        "downloading packages: 25 of 61",
        "downloading packages: 50 of 61",
    ]


def test_progress_on_a_terminal_is_one_redrawn_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal each update of the progress begins with a carriage return and erases the line."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = Progress(62)
    progress.read("Collecting a==1")
    progress.show()
    assert capsys.readouterr().out == "\r\x1b[Kdownloading packages: 1 of 62, 0 s"


def test_failed_installer_exits_with_its_last_lines() -> None:
    """If the installer fails, the script exits with the installer's last lines as the message."""
    command = (sys.executable, "-c", "print('no matching distribution'); raise SystemExit(1)")
    with pytest.raises(SystemExit, match="no matching distribution"):
        run(command, Progress(1))


def test_installed_packages_of_this_environment_are_counted() -> None:
    """The packages of the environment whose Python runs the script are counted."""
    assert installed_packages() > 50


def test_makefile_runs_the_script_with_the_python_of_the_environment() -> None:
    """The Makefile runs scripts/install_environment.py with the Python of the virtual environment."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "$(BIN)/python scripts/install_environment.py" in makefile


def test_only_the_lock_file_decides_what_is_installed() -> None:
    """The installer resolves no dependencies, so it needs nothing that the lock does not name."""
    assert "--no-deps" in locked_installation()


def test_the_lock_file_is_complete() -> None:
    """Every installed package finds all its dependencies, in the right versions, among the locked ones."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "check")
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout
