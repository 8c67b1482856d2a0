"""Fixtures that build the image of each service once for all tests of this folder."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.images.dockerfile_build import Image, build, context_of
from tests.repository.tree import ROOT

SERVICES = ("dispatcher", "worker", "console", "relay")


@pytest.fixture(scope="session")
def images() -> Iterator[Callable[..., Image]]:
    """A function that builds a service's image at its first call, and then returns the same image.

    Its second argument is the build argument BROKER.

    A build takes 20 s of processor time, and downloads packages.
    """
    # pytest's own temporary directory is closed to other users, and a container runs as another user.
    root = Path(tempfile.mkdtemp(prefix="scrapeq-images-"))
    root.chmod(0o755)
    context = context_of(root / "context")

    @cache
    def image_of(service: str, broker: str = "") -> Image:
        return build(ROOT / service / "Dockerfile", context, root / f"{service}-{broker}", BROKER=broker)

    try:
        yield image_of
    finally:
        shutil.rmtree(root)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Name of a service."""
    return str(request.param)


@pytest.fixture
def image(images: Callable[[str], Image], service: str) -> Image:
    """The service's image."""
    return images(service)


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A function that prints a line of measurements, which no test asserts."""

    def print_line(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return print_line
