"""Tests that the lock files pin versions with hashes and agree with pyproject.toml and with each other."""

import re
import tomllib
from functools import cache
from typing import Any

import pytest

from tests.repository.lock_files import REQUIREMENT, locked, normalized
from tests.repository.tree import DISTRIBUTIONS, EVERYTHING, PACKAGES, ROOT

BROKERS = {"rabbitmq": "pika", "redis": "redis", "sqs": "boto3"}
LOCKS = ("dev", "dispatcher", "worker", "relay", "peers", *(f"brokers/{broker}" for broker in BROKERS))


@cache
def project() -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def direct(*extras: str) -> set[str]:
    """Return the names of the project's direct requirements, including those of `extras`."""
    optional = project()["project"]["optional-dependencies"]
    lines = [*project()["project"]["dependencies"], *(line for extra in extras for line in optional[extra])]
    matches = [match for line in lines if (match := REQUIREMENT.match(line))]
    return {normalized(match["name"]) for match in matches} - {"scrapeq", *DISTRIBUTIONS}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    """Each requirement has one version and its SHA-256 hashes."""
    pins = locked(lock)
    assert pins
    assert [name for name, pin in pins.items() if not re.fullmatch(r"==[\w.!+-]+", pin.constraint)] == []
    assert [name for name, pin in pins.items() if not pin.hashes] == []
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for pin in pins.values() for each in pin.hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_package_index(lock: str) -> None:
    """A lock file contains no URLs and no pip options, so that the installing machine chooses the index."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    assert (
        re.findall(r"\w+://\S+|^\s*-[a-z-]+|\s@\s\S+", re.sub(r"#.*|--hash=", "", text), re.MULTILINE) == []
    )


def test_all_direct_requirements_are_in_the_developers_lock() -> None:
    """locks/dev.txt has every direct requirement of every extra."""
    extras = project()["project"]["optional-dependencies"]
    assert direct(*extras) - locked("dev").keys() == set()


@pytest.mark.parametrize("service", ["dispatcher", "worker"])
def test_a_service_has_its_direct_requirements(service: str) -> None:
    """A service's lock has every direct requirement of the service."""
    assert direct(service) - locked(service).keys() == set()


def test_the_page_has_its_direct_requirements_and_no_local_stack() -> None:
    """The lock of the operator's page has what the page and BigQuery need, and no local Pub/Sub or tests."""
    assert direct("page", "bigquery") - locked("console").keys() == set()
    assert locked("console").keys() & {"pytest", "hypothesis", "mypy", "ruff", "aiohttp"} == set()


def test_the_relay_has_its_direct_requirements_and_those_of_the_ledger() -> None:
    """The lock of the relay has what `scrapeq ledger` and PostgreSQL need, and no tests."""
    assert direct("console", "page", "postgresql") - locked("relay").keys() == set()
    assert locked("relay").keys() & {"pytest", "hypothesis", "mypy", "ruff"} == set()


@pytest.mark.parametrize("broker", BROKERS)
def test_the_lock_of_a_broker_has_its_client_in_the_tested_version(broker: str) -> None:
    """The lock is added to a service's, so both have the versions and hashes of the test environment."""
    pins = locked(f"brokers/{broker}")
    assert BROKERS[broker] in pins
    assert BROKERS[broker] in direct(broker)
    assert pins == {name: locked("dev").get(name) for name in pins}


@pytest.mark.parametrize("service", ["dispatcher", "worker", "console", "relay"])
def test_a_service_has_the_tested_versions(service: str) -> None:
    """The lock file of a service has the same versions and hashes as that of the test environment."""
    tested = {name: locked("dev").get(name) for name in locked(service)}
    assert locked(service) == tested


@pytest.mark.parametrize("service", ["dispatcher", "worker"])
def test_a_service_has_no_development_tools(service: str) -> None:
    """The lock file of a service contains no test tools, linters or packages of the console."""
    assert (
        locked(service).keys() & {"pytest", "hypothesis", "mypy", "ruff", "typer", "rich", "aiohttp"} == set()
    )


def test_every_package_is_installed_and_checked() -> None:
    """Every package is listed in the settings of its wheel, the type checker and the linter."""
    tools = project()["tool"]
    packages = set(tools["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages == set(PACKAGES) - set(DISTRIBUTIONS)
    assert set(tools["mypy"]["packages"]) == set(EVERYTHING)
    assert set(tools["ruff"]["lint"]["isort"]["known-first-party"]) == set(EVERYTHING)
