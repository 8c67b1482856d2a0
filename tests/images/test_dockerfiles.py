"""Tests of the Dockerfiles' text, without building an image."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.stack.addresses import Addresses
from console.stack.ports import LOOPBACK
from console.stack.services import StackOptions, launches
from tests.images.dockerfile_build import instructions
from tests.repository.tree import ROOT, package_closure
from tests.servers.requirements import skip_or_fail

#: The services whose images have a build argument BROKER.
WITH_BROKERS = ("dispatcher", "worker", "relay")
PINNED = re.compile(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64} AS python")


def values(service: str, instruction: str) -> list[str]:
    """Return the arguments of each use of an instruction in a service's Dockerfile."""
    return [value for name, value in instructions(ROOT / service / "Dockerfile") if name == instruction]


def test_hadolint_reports_nothing(service: str) -> None:
    """Hadolint, which finds common mistakes in Dockerfiles, reports nothing."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        skip_or_fail("hadolint has no build for this machine")
    done = subprocess.run(
        [hadolint, ROOT / service / "Dockerfile"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_base_image_is_pinned_by_digest(service: str) -> None:
    """The first FROM has a tag and a digest, and all other stages build on it."""
    base, *others = values(service, "FROM")
    assert PINNED.fullmatch(base)
    assert {stage.split(" AS ")[0] for stage in others} == {"python"}


def test_all_services_use_the_same_base_image() -> None:
    """All Dockerfiles begin with the same FROM, so that only one base image has to be renewed."""
    assert len({values(service, "FROM")[0] for service in ("dispatcher", "worker", "console", "relay")}) == 1


def test_user_is_a_number_other_than_root(service: str) -> None:
    """USER is a numeric user and group other than root, as Kubernetes' `runAsNonRoot` requires."""
    [user] = values(service, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_only_wheels_with_locked_hashes_are_installed(service: str) -> None:
    """Pip installs only wheels whose hashes are in the service's and a broker's locks."""
    [install] = [line for line in values(service, "RUN") if " install " in line]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(install.split())
    locks = f"--requirement /app/{service}.txt"
    if service in WITH_BROKERS:
        assert values(service, "ARG") == ["BROKER"]
        locks += ' ${BROKER:+--requirement "/app/brokers/$BROKER.txt"}'
    assert " ".join(install.split()).endswith(locks)


def test_copied_packages_are_those_that_the_service_imports(service: str) -> None:
    """The Dockerfile copies exactly the packages that the service imports, and its locks."""
    copied = {value.split()[0] for value in values(service, "COPY") if not value.startswith("--from")}
    imported = package_closure(service)
    if service == "console":
        # The recipe lab fetches pages only if the worker is installed, which imports the others.
        assert {"worker", "guarded_http"} <= imported
        imported = {"console", "contract", "extraction", "push_endpoint"}
    if service == "relay":
        imported |= {
            "console",
            "extraction",
            "push_endpoint",
        }  # the ledger's command; see test_relay_image.py
    brokers = {"locks/brokers"} if service in WITH_BROKERS else set[str]()
    assert copied == imported | brokers | {f"locks/{service}.txt"}


@pytest.mark.parametrize("service", ["dispatcher", "worker"])
def test_entry_point_is_the_command_of_scrapeq_up(service: str, tmp_path: Path) -> None:
    """`scrapeq up` starts the services with the image's command, except for host, port and source path."""
    urls = Addresses(f"{LOOPBACK}:1", f"http://{LOOPBACK}:2", f"http://{LOOPBACK}:3", f"http://{LOOPBACK}:4")
    _, *local = launches(StackOptions(data=tmp_path), urls, {})[service].command
    words = [str(Path(word).relative_to(ROOT)) if word.startswith(str(ROOT)) else word for word in local]
    [entry_point] = values(service, "ENTRYPOINT")
    in_the_image = re.findall(r'"([^"]*)"', entry_point)[1:]
    assert words[: len(in_the_image)] == in_the_image
    assert set(words[len(in_the_image) :]) <= {"--host", LOOPBACK, "--port", "3"}


@pytest.mark.parametrize("folder", ["tests", "terraform", ".git", "docs", "benchmarks"])
def test_dockerignore_excludes_other_folders(folder: str) -> None:
    """`.dockerignore` excludes all folders by default, and does not include the folders of this list."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in rules
    assert f"!{folder}" not in rules
