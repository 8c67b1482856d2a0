"""Build a Dockerfile without a container engine: every stage is a directory that contains `/app`.

Only the instructions that our two files use are implemented; others are an error. The base image (this
machine's Python stands for it) and the engine's cache and layers are not covered.
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

#: The only path that our Dockerfiles write to.
APP = "/app"
#: Seconds that a RUN line may take, with a slow package index.
RUN_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        root: the directory that stands for `/`.
        environment: the variables that the image sets.
        working_directory: the directory below `root` in which the command runs.
        user: `uid:gid`, as the Dockerfile has it.
        command: the words of ENTRYPOINT and CMD.
    """

    root: Path
    environment: dict[str, str]
    working_directory: Path
    user: str
    command: tuple[str, ...]


@dataclass
class Stage:
    """A stage that is being built; its attributes are those of Image."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = APP
    user: str = ""
    command: tuple[str, ...] = ()

    def inside(self, text: str) -> str:
        """Return `text` with every `/app` in it replaced by the path below this stage's root."""
        return re.sub(rf"(?<![\w.]){APP}(?=[/\s'\":$]|$)", str(self.root / APP.strip("/")), text)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions, each with its arguments on one line; comments are left out."""
    parser = DockerfileParser(fileobj=io.StringIO(dockerfile.read_text(encoding="utf-8")))
    return [
        (each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"
    ]


def build(dockerfile: Path, context: Path, root: Path) -> Image:
    """Build `dockerfile` with the build context `context`; its stages are directories below `root`.

    Raises:
        AssertionError: an instruction is not implemented here.
        subprocess.CalledProcessError: a RUN line failed; its output is on the terminal.
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
                stage.command += tuple(json.loads(value))  # the exec form, which is JSON
            case "EXPOSE":
                pass  # documentation, without effect
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
    """Copy the files that .dockerignore includes to `root`, and return it."""
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
    """Run a RUN line; `python` is this interpreter, in place of the base image's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(
        ["/bin/sh", "-c", stage.inside(line)],
        cwd=stage.root,
        env={**os.environ, "PATH": path},
        check=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )
