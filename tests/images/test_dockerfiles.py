"""What the Dockerfiles say, without building anything."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.stack.ports import LOOPBACK
from console.stack.services import Addresses, StackOptions, launches
from tests.images.dockerfile_build import instructions
from tests.repository.tree import ROOT, package_closure
from tests.servers.requirements import skip_or_fail

PINNED = re.compile(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64} AS python")


def values(service: str, instruction: str) -> list[str]:
    """Return the arguments of each use of an instruction in a service's Dockerfile."""
    found = instructions(ROOT / service / "Dockerfile")
    return [value for name, value in found if name == instruction]


def test_hadolint_has_no_complaint(service: str) -> None:
    """What is known to go wrong with Dockerfiles does not."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        skip_or_fail("hadolint has no build for this machine")
    said = subprocess.run(
        [hadolint, ROOT / service / "Dockerfile"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_base_is_pinned_once(service: str) -> None:
    """By a tag for people and a digest for machines; the other stages build on it."""
    base, *others = values(service, "FROM")
    assert PINNED.fullmatch(base)
    assert {stage.split(" AS ")[0] for stage in others} == {"python"}


def test_both_services_have_one_base() -> None:
    """One thing to renew, and one set of layers to store."""
    assert values("dispatcher", "FROM")[0] == values("worker", "FROM")[0]


def test_nobody_in_particular_runs_it(service: str) -> None:
    """A number, so that a platform can see that it is not root."""
    [user] = values(service, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_every_wheel_is_checked(service: str) -> None:
    """Nothing is compiled from source, and nothing is installed whose hash is not in the service's lock."""
    [install] = [line for line in values(service, "RUN") if " install " in line]
    assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())
    assert install.endswith(f"--requirement /app/{service}.txt")


def test_it_holds_the_packages_that_the_service_imports(service: str) -> None:
    """All of them, and no other: neither the other service, nor the console, nor the tests."""
    copied = {value.split()[0] for value in values(service, "COPY") if not value.startswith("--from")}
    assert copied == package_closure(service) | {f"locks/{service}.txt"}


def test_it_starts_as_it_does_on_a_laptop(service: str, tmp_path: Path) -> None:
    """`scrapeq up` tries the command that the cloud runs, but for where it listens and where sources lie."""
    urls = Addresses(f"{LOOPBACK}:1", f"http://{LOOPBACK}:2", f"http://{LOOPBACK}:3", f"http://{LOOPBACK}:4")
    _, *local = launches(StackOptions(data=tmp_path), urls, {})[service].command
    words = [str(Path(word).relative_to(ROOT)) if word.startswith(str(ROOT)) else word for word in local]
    [entry_point] = values(service, "ENTRYPOINT")
    in_the_image = re.findall(r'"([^"]*)"', entry_point)[1:]
    assert words[: len(in_the_image)] == in_the_image
    assert set(words[len(in_the_image) :]) <= {"--host", LOOPBACK, "--port", "3"}


@pytest.mark.parametrize(
    "kept_out", ["tests", "console", "localpubsub", "terraform", ".git", "docs", "benchmarks"]
)
def test_nothing_else_reaches_an_engine(kept_out: str) -> None:
    """The build's context is what the services need; whatever else lies about here is never sent."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in rules
    assert f"!{kept_out}" not in rules
