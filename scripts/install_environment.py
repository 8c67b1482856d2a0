"""Installs the locked packages and this project into a virtual environment, and shows the progress.

The Makefile runs this script with the Python of the environment. The script uses uv if uv is installed, else
pip. On a terminal the progress is one line that is redrawn; elsewhere it is a line for every 25 packages.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "locks" / "dev.txt"
POLL_SECONDS = 0.2  #: seconds between two counts of the installed packages
PACKAGES_PER_LINE = 25  #: packages between two lines of progress, if the output is not a terminal
MAX_ERROR_LINES = 30  #: maximum number of lines of the installer's output that are shown if it fails


def locked_packages(lock: str) -> list[str]:
    """Return the names of the packages in a lock file."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)


def installer() -> tuple[str, ...]:
    """Return the command that installs packages into the environment of this Python."""
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python", sys.executable)
    pip = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off")
    return (sys.executable, *pip)


def locked_installation() -> tuple[str, ...]:
    """Return the command that installs exactly the packages of the lock file.

    The lock file is complete: the installer resolves nothing (``--no-deps``). The pip of Python 3.11 would
    look for the newest ``google-auth[pyopenssl]`` beside the locked ``google-auth``, and refuse it as it has
    no hash (https://github.com/pypa/pip/issues/12345).
    """
    return (*installer(), "--no-deps", "--require-hashes", "--requirement", str(LOCK))


class Progress:
    """The progress of an installation on standard output.

    Args:
        total: number of packages to install.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.found = 0
        self._is_terminal = sys.stdout.isatty()
        self._started = time.monotonic()
        self._shown = ""
        self._installed_before = installed_packages()

    def read(self, line: str) -> None:
        """Take a line of the installer's output into account."""
        if line.startswith("Collecting "):  # pip prints this before it downloads a package
            self.found += 1
        elif line.startswith("Ignoring "):  # a package of the lock that this platform does not need
            self.total -= 1

    def show(self) -> None:
        """Show how many packages are installed, or downloaded if none is installed yet."""
        installed = installed_packages() - self._installed_before
        if installed > 0 or self.found == 0:
            self._print("installing", min(installed, self.total))
        else:
            self._print("downloading", min(self.found, self.total))

    def finish(self) -> None:
        """Show the duration of the installation."""
        seconds = time.monotonic() - self._started
        print(f"{chr(13) + chr(27) + '[K' if self._is_terminal else ''}Installed in {seconds:.0f} s.")

    def _print(self, step: str, count: int) -> None:
        if self._is_terminal:
            seconds = time.monotonic() - self._started
            text = f"{step} packages: {count} of {self.total}, {seconds:.0f} s"
            print(f"\r\x1b[K{text}", end="", flush=True)
            return
        text = f"{step} packages: {count - count % PACKAGES_PER_LINE} of {self.total}"
        if count >= PACKAGES_PER_LINE and text != self._shown:
            print(text, flush=True)
            self._shown = text


def installed_packages() -> int:
    """Return the number of packages in the environment."""
    return sum(1 for _ in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def run(command: tuple[str, ...], progress: Progress) -> None:
    """Run an installer and show its progress.

    Raises:
        SystemExit: the installer failed; its last lines are on standard error.
    """
    last_lines = deque[str](maxlen=MAX_ERROR_LINES)
    with subprocess.Popen(  # noqa: S603 - the command is made in this file
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        reader = threading.Thread(
            target=_read_output, args=(process.stdout or iter(()), progress, last_lines), daemon=True
        )
        reader.start()
        while process.poll() is None:
            progress.show()
            time.sleep(POLL_SECONDS)
        reader.join()
    if process.returncode:
        sys.exit("\n" + "".join(last_lines))


def _read_output(lines: Iterator[str], progress: Progress, last_lines: deque[str]) -> None:
    for line in lines:
        progress.read(line)
        last_lines.append(line)


def main() -> None:
    """Install the locked packages, then localpubsub and this project without their dependencies."""
    progress = Progress(len(locked_packages(LOCK.read_text(encoding="utf-8"))))
    try:
        run(locked_installation(), progress)
        editable = ("--editable", "./localpubsub", "--editable", ".")
        run((*installer(), "--no-deps", "--no-build-isolation", *editable), progress)
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run make again to continue")
    progress.finish()


if __name__ == "__main__":
    main()
