"""Carries out a Dockerfile without an engine: every stage is a directory, and `/app` lies in it.

It knows the instructions that our two files use, and refuses others. What it cannot show: the base image
(this machine's Python stands for it) and the engine's own cache and layers.
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

from tests.repository.tree import ROOT

APP = "/app"  #: the only path that our Dockerfiles write to
INSTALL_SECONDS = 600  #: from a slow index


@dataclass(frozen=True)
class Image:
    """What a container would be started from.

    Attributes:
        root: the directory that stands for `/`.
        environment: of the image alone.
        working_directory: below `root`.
        user: as written, `uid:gid`.
        command: ENTRYPOINT and CMD.
    """

    root: Path
    environment: dict[str, str]
    working_directory: Path
    user: str
    command: tuple[str, ...]


@dataclass
class Stage:
    """One stage under construction."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = APP
    user: str = ""
    command: tuple[str, ...] = ()

    def inside(self, text: str) -> str:
        """Return `text` with every `/app` of it below this stage's root."""
        return re.sub(rf"(?<![\w.]){APP}(?=[/\s'\":$]|$)", str(self.root / APP.strip("/")), text)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions, each with its arguments in one line, without comments."""
    parser = DockerfileParser(fileobj=io.StringIO(dockerfile.read_text(encoding="utf-8")))
    return [
        (each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"
    ]


def build(dockerfile: Path, context: Path, root: Path) -> Image:
    """Carry out `dockerfile` on `context`, with its stages below `root`.

    Raises:
        AssertionError: an instruction or flag that is not known here.
        subprocess.CalledProcessError: a RUN line failed; its output is shown by the caller's terminal.
    """
    stages: dict[str, Stage] = {}
    stage = Stage(root)
    for number, (instruction, value) in enumerate(instructions(dockerfile)):
        match instruction:
            case "FROM":
                name = value.rpartition(" AS ")[2] if " AS " in value else f"final-{number}"
                stages[name] = stage = Stage(root / name)
                (stage.root / APP.strip("/")).mkdir(parents=True)
            case "COPY":
                _copy(shlex.split(value), stages, stage, context)
            case "RUN":
                _run(value, stage)
            case "ENV":
                stage.environment |= dict(each.split("=", 1) for each in shlex.split(stage.inside(value)))
            case "WORKDIR":
                stage.working_directory = value
            case "USER":
                stage.user = value
            case "ENTRYPOINT" | "CMD":
                stage.command += tuple(json.loads(value))  # the exec form is JSON; the shell form is none
            case "EXPOSE":
                pass  # says something to readers alone
            case _:
                raise AssertionError(f"{dockerfile}: {instruction} is not known here")
    return Image(
        stage.root,
        {name: value.replace("$PATH", os.defpath) for name, value in stage.environment.items()},
        Path(stage.inside(stage.working_directory)),
        stage.user,
        stage.command,
    )


def context_of(root: Path) -> Path:
    """Copy what .dockerignore lets through of the repository to `root`, and return it."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", ".dockerignore begins by leaving everything out"
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    left_out = [rule for rule in rules[1:] if not rule.startswith("!")]
    for name in let_in:
        shutil.copytree(ROOT / name, root / name)
    for pattern in left_out:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return root


def _copy(words: list[str], stages: dict[str, Stage], stage: Stage, context: Path) -> None:
    origin = context
    if words[0].startswith("--from="):
        other = stages[words.pop(0).removeprefix("--from=")]
        words[0], origin = other.inside(words[0]), Path("/")
    source, target = words
    path, destination = origin / source, Path(stage.inside(target))
    if path.is_dir():
        shutil.copytree(path, destination, symlinks=True)
    else:
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, destination)


def _run(line: str, stage: Stage) -> None:
    """Run a line as an engine does, with `python` this interpreter (in an image: the base's)."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(
        ["/bin/sh", "-c", stage.inside(line)],
        cwd=stage.root,
        env={**os.environ, "PATH": path},
        check=True,
        timeout=INSTALL_SECONDS,
    )
