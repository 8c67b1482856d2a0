"""Tests of the images that are built for another broker, with the build argument BROKER."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.images.container import sandbox_prefix
from tests.images.dockerfile_build import APP, Image
from tests.repository.lock_files import locked, normalized

pytestmark = pytest.mark.long  # Building an image downloads packages.

IMAGES = [("worker", "rabbitmq"), ("dispatcher", "redis"), ("relay", "sqs")]


@pytest.fixture(params=IMAGES, ids="-".join)
def built(images: Callable[..., Image], request: pytest.FixtureRequest) -> tuple[Image, str, str]:
    """An image, its service and its broker."""
    service, broker = request.param
    return images(service, broker), service, broker


def run(image: Image, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an image, as its user, without write access; return its output."""
    return subprocess.run(
        [*sandbox_prefix(image.user), *command],
        cwd=image.working_directory,
        env=image.environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_client_of_the_broker_is_installed_in_addition(built: tuple[Image, str, str]) -> None:
    """The image has the packages of two locks and no others, and pip finds no conflict between them."""
    image, service, broker = built
    environment = image.root / APP.strip("/") / "venv"
    [packages] = environment.glob("lib/python*/site-packages")
    installed = {normalized(package.metadata["Name"]) for package in distributions(path=[str(packages)])}
    pins = locked(service).keys() | locked(f"brokers/{broker}").keys()
    assert installed <= pins
    # These are locked with markers that exclude them on some machines.
    assert pins - installed <= {"pycparser", "colorama", "tzdata", "async-timeout", "cffi"}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--python", str(environment / "bin" / "python"), "check"],
        env={**os.environ, **image.environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_publisher_of_the_broker_can_be_imported(built: tuple[Image, str, str]) -> None:
    """The service's code finds the client of its broker."""
    image, _, broker = built
    done = run(image, "python", "-c", f"import publishing.{broker}.publisher")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        ("relay", "--endpoint", "http://127.0.0.1:1/", "--port", "0"),
        ("console", "ledger", "--ledger", "postgresql://127.0.0.1:1/scrapeq"),
    ],
    ids=["relay", "ledger"],
)
def test_relay_and_ledger_start_in_the_relays_image(
    images: Callable[..., Image], command: tuple[str, ...], tmp_path: Path
) -> None:
    """Both commands of the image get as far as the connection to their servers, without write access."""
    image = images("relay", "sqs")
    variables = {"BROKER_URL": "sqs+http://127.0.0.1:1/", "HOME": str(tmp_path)}
    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    done = run(image, *image.command[:2], *command, **variables, **credentials)
    assert done.returncode != 0
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
