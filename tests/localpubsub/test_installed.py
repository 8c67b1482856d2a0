"""Installs the built wheels into empty environments, and uses them as a new user does."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from console.stack.ports import free_port
from tests.localpubsub.readme import block
from tests.servers.distributions import build_wheel, install
from tests.servers.processes import is_listening
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both wheels."""
    directory = tmp_path_factory.mktemp("wheels")
    for name in ("localpubsub", "scrapeq"):
        build_wheel(name, directory)
    return directory


def test_ten_lines_of_the_readme_work_with_the_installed_wheel(wheels: Path, tmp_path: Path) -> None:
    """The commands of "Ten lines to a first message" print what the README shows, in an empty environment."""
    programs = install(["localpubsub"], wheels, tmp_path / "environment")
    port = str(free_port())
    serve = block("console", "pip install").splitlines()[1].removeprefix("$ ").replace("8085", port)
    run, *shown = block("console", "first.py").splitlines()
    (tmp_path / "first.py").write_text(block("python", "create_topic"))
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    with subprocess.Popen(["env", *shlex.split(serve)], cwd=tmp_path, env=environment) as server:
        try:
            wait_until(lambda: is_listening(int(port)), "the server listens")
            command = shlex.split(run.removeprefix("$ ").replace("8085", port))
            done = subprocess.run(
                ["env", *command],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=MAX_WAIT_SECONDS,
                check=False,
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == shown
    listed = subprocess.run(
        [programs / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert re.search(r"^localpubsub\s", listed, re.MULTILINE)
    assert not re.search(r"^(parsel|pydantic|scrapeq|flask|fastavro)\s", listed, re.MULTILINE)


def test_pytest_example_of_the_readme_works_with_the_installed_wheel(wheels: Path, tmp_path: Path) -> None:
    """The tests of "Test with pytest" pass in an environment with pytest and what app.py imports."""
    programs = install(["localpubsub", "pytest", "flask", "requests"], wheels, tmp_path / "environment")
    project = tmp_path / "project"
    project.mkdir()
    (project / "app.py").write_text(block("python", "flask"))
    (project / "test_app.py").write_text(block("python", "make_server"))
    done = subprocess.run(
        [programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=MAX_WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_installed_scrapeq_runs_its_demo_on_the_installed_localpubsub(wheels: Path, tmp_path: Path) -> None:
    """`scrapeq demo` succeeds far away from this repository."""
    programs = install(["scrapeq[console,dispatcher,worker]"], wheels, tmp_path / "environment")
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [programs / "scrapeq", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MAX_WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in_flight=0" in done.stdout
