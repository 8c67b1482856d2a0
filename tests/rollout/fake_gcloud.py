"""A program that replaces `gcloud`, and keeps the state of projects in a file."""

import fcntl
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rollout.fake_google import EMPTY, HANDLERS, Call, Refused, State

DIGEST = "sha256:" + 64 * "0"
#: The rows of commands that change nothing which the fake knows.
ANSWERS: dict[str, list[State]] = {
    "auth login": [],
    "auth application-default login": [],
    "config set": [],
    "beta builds submit": [],
    "builds list": [],
    "alpha builds approve": [],
    "scheduler jobs run": [],
    "artifacts docker images list": [],
    "run services describe": [{"image": f"europe-west1-docker.pkg.dev/my-scraper/scrapeq/service@{DIGEST}"}],
}

ROOT = Path(__file__).parents[2]


def install(folder: Path) -> Path:
    """Write the program `gcloud` to `folder`/bin; return the file that contains what Google knows."""
    state = folder / "google.json"
    state.write_text(json.dumps(EMPTY), encoding="utf-8")
    program = folder / "bin" / "gcloud"
    program.parent.mkdir(exist_ok=True)
    module = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -sS -m tests.rollout.fake_gcloud'
    program.write_text(f'#!/bin/sh\n{module} "{state}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return state


@contextmanager
def opened(path: Path) -> Iterator[State]:
    """Yield the state, and write it back, also if the command is refused."""
    with path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state: State = json.load(file)
        try:
            yield state
        finally:
            file.seek(0)
            file.truncate()
            json.dump(state, file)


def run(path: Path, arguments: list[str]) -> int:
    """Execute one command; return its exit status."""
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("--"))
    words = [word for word in arguments if not word.startswith("--")]
    names = (name for name in [*HANDLERS, *ANSWERS] if words[: len(name.split())] == name.split())
    command = next(names)
    with opened(path) as state:
        state["calls"].append(arguments)
        try:
            call = Call(state, words[len(command.split()) :], flags)
            rows = HANDLERS[command](call) if command in HANDLERS else ANSWERS[command]
        except Refused as error:
            sys.stderr.write(f"ERROR: (gcloud.{command.replace(' ', '.')}) {error}\n")
            return 1
        if rows is None and state["interrupt_after"] is not None:
            state["interrupt_after"] -= 1
            if state["interrupt_after"] == 0:
                os.kill(os.getppid(), signal.SIGKILL)
    for row in rows or []:
        sys.stdout.write(displayed(row, flags.get("format", "")) + "\n")
    return 0


def displayed(row: State, form: str) -> str:
    """Return a row in gcloud's format `value(...)`: its fields, separated by tabs."""
    if form == "value(spec.template.spec.containers[0].image)":
        return str(row["image"])
    fields = re.fullmatch(r"value\((.*)\)", form)
    assert fields, f"the fake has no format {form!r}"
    return "\t".join(field(row, name) for name in fields[1].split(","))


def field(row: State, name: str) -> str:
    """Return a field of a row as text; the name may be a path, and may end with `.basename()`."""
    value: object = row
    for part in name.removesuffix(".basename()").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    text = "" if value is None else str(value)
    return text.rsplit("/", 1)[-1] if name.endswith(".basename()") else text


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
