"""Tests of the two wheels that are built from this repository: what is in them, and what they depend on."""

import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import localpubsub
from tests.repository.lock_files import REQUIREMENT, locked, normalized
from tests.repository.tree import DISTRIBUTIONS, PACKAGES, ROOT
from tests.servers.distributions import DIRECTORIES, build_wheel


@pytest.fixture(scope="module", params=sorted(DIRECTORIES))
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a wheel, built from the working tree."""
    return build_wheel(request.param, tmp_path_factory.mktemp("wheels"))


def name_of(wheel: Path) -> str:
    """Return the name of a wheel's distribution."""
    return wheel.name.partition("-")[0]


def files(wheel: Path) -> set[str]:
    """Return the paths of the files in a wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel: Path) -> Message:
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def dependencies(wheel: Path) -> set[str]:
    """Return the normalized names of all distributions on which a wheel depends, extras included."""
    matches = [REQUIREMENT.match(line) for line in metadata(wheel).get_all("Requires-Dist", [])]
    return {normalized(match["name"]) for match in matches if match}


def test_a_wheel_has_the_files_of_its_packages_and_no_others(wheel: Path) -> None:
    """Each module of a package is in the wheel of its distribution, at its import path."""
    own = {"localpubsub"} if name_of(wheel) in DISTRIBUTIONS else set(PACKAGES) - set(DISTRIBUTIONS)
    assert {path.partition("/")[0] for path in files(wheel)} == own
    modules = {
        path.relative_to(ROOT).as_posix() for package in own for path in (ROOT / package).rglob("*.py")
    }
    assert {path for path in files(wheel) if path.endswith(".py")} == modules
    others = {path for path in files(wheel) if path.startswith("localpubsub/") and not path.endswith(".py")}
    expected = {"localpubsub/py.typed", "localpubsub/protocol/pubsub.binpb"}
    assert others == (expected if name_of(wheel) == "localpubsub" else set())


def test_localpubsub_depends_on_no_package_of_the_scraper(tmp_path: Path) -> None:
    """Whoever uses localpubsub for another project installs only what a Pub/Sub server needs."""
    wheel = build_wheel("localpubsub", tmp_path)
    needed = {"aiohttp", "cryptography", "google-cloud-pubsub", "grpcio", "pyjwt", "pyyaml", "uvloop"}
    extras = {"fastavro", "grpcio-tools", "quickjs-ng"}
    assert dependencies(wheel) == needed | extras
    always = [line for line in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(always) == len(needed)


def test_scrapeq_depends_on_localpubsub_for_its_console(tmp_path: Path) -> None:
    """Scrapeq's services need no localpubsub; its console does, for the local stack."""
    lines = metadata(build_wheel("scrapeq", tmp_path)).get_all("Requires-Dist", [])
    assert "localpubsub>=0.2; extra == 'console'" in lines
    extras = {line.rpartition("extra == ")[2] for line in lines if line.startswith("localpubsub")}
    assert extras == {"'console'", "'dev'", "'rabbitmq'", "'redis'", "'sqs'"}


def test_one_lock_has_the_dependencies_of_both(wheel: Path) -> None:
    """locks/dev.txt has a version of every dependency of the wheels, except for the two themselves."""
    assert dependencies(wheel) - locked("dev").keys() - DIRECTORIES.keys() == set()


@pytest.mark.parametrize("name", sorted(DIRECTORIES))
def test_the_changelog_begins_with_the_version(name: str) -> None:
    """The version in pyproject.toml, or the next one, is the first of the changelog."""
    project = tomllib.loads((DIRECTORIES[name] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project.get("version", localpubsub.__version__)
    text = (DIRECTORIES[name] / "CHANGELOG.md").read_text(encoding="utf-8")
    first = text.partition("\n## [")[2].partition("\n")[0]
    assert version in first or first.startswith("Unreleased]")
    assert (DIRECTORIES[name] / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
