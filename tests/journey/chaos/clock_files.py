"""Shifts the clocks of single services while they run, by a library that is loaded into them (Linux only)."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("shifted_clock.c")
SKEW_SECONDS = 7200  #: by how much a clock is wrong; a token is valid for half of it


def compiler() -> str:
    """Return the path of the C compiler; `""` if there is none."""
    return shutil.which("cc") or ""


def clock_file(data: Path, service: str) -> Path:
    """Return the file with the offset of a service's clock, which the service maps into its memory."""
    return data / f"{service}.clock"


def set_clock(data: Path, service: str, seconds: int) -> None:
    """Set the clock of a service to the real time and an offset, at once."""
    with clock_file(data, service).open("r+b") as file:
        file.write(seconds.to_bytes(8, "little", signed=True))


def prepare_clock(data: Path, service: str) -> Mapping[str, str]:
    """Create the file of a service's clock, and return the variables with which the service reads it."""
    data.mkdir(parents=True, exist_ok=True)
    clock_file(data, service).write_bytes(bytes(8))
    library = data / "shifted_clock.so"
    if not library.exists():
        command = [compiler(), "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(clock_file(data, service))}
