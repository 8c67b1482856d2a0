"""The Python environment of the systems that are compared, which is separate from that of Scrapeq."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / ".venv" / "peers"
LOCK = ROOT / "locks" / "peers.txt"
BIN = DIRECTORY / "bin"
INSTALLED = DIRECTORY / ".installed"


def install() -> None:
    """Install the packages of the lock file, if they are not.

    Raises:
        SystemExit: the installer failed; its output is shown.
    """
    if INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes():
        return
    print(
        f"Installing the other queues into {DIRECTORY.relative_to(ROOT)} (only the first time) ...",
        flush=True,
    )
    venv.create(DIRECTORY, clear=True)
    python = str(BIN / "python")
    uv = shutil.which("uv")
    command: tuple[str, ...] = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-qqq",
        "--no-compile",
    )
    if uv:
        command = (uv, "pip", "install", "--quiet", "--python", python)
    done = subprocess.run([*command, "--no-deps", "--require-hashes", "-r", str(LOCK)], check=False)
    if done.returncode:
        sys.exit("The packages of locks/peers.txt could not be installed.")
    INSTALLED.write_bytes(LOCK.read_bytes())


def versions() -> dict[str, str]:
    """Return the locked version of each package that is compared or that the systems use directly."""
    wanted = (LOCK.parent.parent / "benchmarks/peers/requirements.in").read_text().splitlines()
    names = {line.partition("[")[0] for line in wanted if line and not line.startswith("#")}
    pins = (line.split(" ")[0].split("==") for line in LOCK.read_text().splitlines() if "==" in line[:60])
    return {name: version for name, version in pins if name in names}
