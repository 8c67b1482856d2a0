"""Builds an image without a container engine: each stage is a directory that contains `/app`.

Only the instructions that the Dockerfiles use are implemented; others are rejected. This machine's Python
replaces the base image. The engine's layers and cache are not simulated.
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

#: The only directory that the Dockerfiles write to.
APP = "/app"
#: Time limit of a RUN instruction, in seconds; it downloads packages.
RUN_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        root: the directory that represents `/`.
        environment: the environment variables that the image sets, by name.
        working_directory: the directory in which the command runs; it is below `root`.
        user: the user that runs the command, as `uid:gid`.
        command: the words of ENTRYPOINT, followed by those of CMD.
    """

    root: Path
    environment: dict[str, str]
    working_directory: Path
    user: str
    command: tuple[str, ...]


@dataclass
class Stage:
    """A stage during the build. Its attributes mean the same as those of Image."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = APP
    user: str = ""
    command: tuple[str, ...] = ()

    def inside(self, text: str) -> str:
        """Return `text` with every `/app` replaced by the path of that directory in this stage."""
        return re.sub(rf"(?<![\w.]){APP}(?=[/\s'\":$]|$)", str(self.root / APP.strip("/")), text)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile without comments, as (instruction, arguments on one line)."""
    parser = DockerfileParser(fileobj=io.StringIO(dockerfile.read_text(encoding="utf-8")))
    return [
        (line["instruction"], line["value"]) for line in parser.structure if line["instruction"] != "COMMENT"
    ]


def build(dockerfile: Path, context: Path, root: Path, **arguments: str) -> Image:
    """Build `dockerfile` from the build context `context`; each stage becomes a directory below `root`.

    `arguments` are the values of `--build-arg`.

    Raises:
        AssertionError: an instruction is not implemented here.
        subprocess.CalledProcessError: a RUN instruction failed; its output is on the terminal.
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
                _run(value, stage, arguments)
            case "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(stage.inside(value)))
            case "WORKDIR":
                stage.working_directory = value
            case "USER":
                stage.user = value
            case "ENTRYPOINT" | "CMD":
                stage.command += tuple(json.loads(value))  # The exec form is JSON.
            case "ARG" | "EXPOSE" | "HEALTHCHECK":
                pass  # RUN gets the arguments, EXPOSE documents the port, an engine runs the health check.
            case _:
                raise AssertionError(f"{dockerfile}: {instruction} is not implemented here")
    return Image(
        stage.root,
        {name: value.replace("$PATH", os.defpath) for name, value in stage.environment.items()},
        Path(stage.inside(stage.working_directory)),
        stage.user,
        stage.command,
    )


def context_of(root: Path) -> Path:
    """Copy the files of the build context, which .dockerignore selects, to `root`; return `root`."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", ".dockerignore must exclude everything first"
    included = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    excluded = [rule for rule in rules[1:] if not rule.startswith("!")]
    for name in included:
        shutil.copytree(ROOT / name, root / name)
    for pattern in excluded:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return root


def _copy(words: list[str], stages: dict[str, Stage], stage: Stage, context: Path) -> None:
    """Carry out a COPY instruction with these arguments."""
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


def _run(line: str, stage: Stage, arguments: dict[str, str]) -> None:
    """Carry out a RUN instruction; `python` in it is the interpreter that runs the tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(
        ["/bin/sh", "-c", stage.inside(line)],
        cwd=stage.root,
        env={**os.environ, "PATH": path, **arguments},
        check=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )
