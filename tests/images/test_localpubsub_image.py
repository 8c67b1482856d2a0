"""Tests of localpubsub's image: its Dockerfile, its content, its size, its command and its health check."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.stack.ports import free_port
from tests.images.dockerfile_build import APP, Image, build, context_of, instructions
from tests.repository.lock_files import locked
from tests.repository.tree import ROOT
from tests.servers.processes import is_listening
from tests.servers.pubsub_client import connect
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

DOCKERFILE = ROOT / "localpubsub" / "Dockerfile"
MAX_COMPRESSED_BYTES = 80_000_000
#: Compressed size of the layers of python:3.13-slim-bookworm for amd64, rounded up
#: (https://hub.docker.com/_/python/tags).
BASE_COMPRESSED_BYTES = 46_000_000
PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}


def values(instruction: str, dockerfile: Path = DOCKERFILE) -> list[str]:
    """Return the arguments of each use of an instruction."""
    return [value for name, value in instructions(dockerfile) if name == instruction]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, built without a container engine."""
    root = tmp_path_factory.mktemp("image")
    return build(DOCKERFILE, context_of(root / "context"), root / "stages")


def test_dockerfile_has_no_common_mistakes() -> None:
    """Hadolint reports nothing; the base image is the worker's; the user is a number other than root."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        skip_or_fail("hadolint has no build for this machine")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert values("FROM")[0] == values("FROM", ROOT / "worker" / "Dockerfile")[0]
    [user] = values("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_lock_has_the_tested_versions() -> None:
    """The lock has the versions and hashes of the test environment, and no package of the scraper."""
    pins = locked("localpubsub")
    assert pins == {name: locked("dev")[name] for name in pins}
    assert pins.keys() & {"parsel", "pydantic", "flask", "requests-file", "pytest"} == set()
    assert {"aiohttp", "grpcio", "fastavro", "grpcio-tools"} <= pins.keys()


@pytest.mark.long
@pytest.mark.parametrize("architecture", PLATFORMS)
def test_every_package_has_a_wheel(architecture: str, tmp_path: Path) -> None:
    """For amd64 and arm64, each locked package has a wheel for the image's Python, so nothing is compiled."""
    machine, _, platform = PLATFORMS[architecture].partition("-")
    version = re.match(r"python:(\d+\.\d+)", values("FROM")[0])
    assert version
    options = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--python-version", version[1]]
    platforms = [f"--platform={platform}_{machine}", f"--platform=manylinux2014_{machine}"]
    lock = ROOT / "locks" / "localpubsub.txt"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *options, *platforms, "--dest", str(tmp_path), "--requirement", str(lock)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    if "ConnectionError" in done.stderr or "Temporary failure" in done.stderr:
        skip_or_fail(f"no package index: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("grpcio-*.whl"))


def test_compressed_layers_are_small(image: Image, show: Callable[[str], None]) -> None:
    """The layers with packages and code, compressed, and those of the base image are below 80 MB together."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=6) as archive:
        archive.add(image.root / APP.strip("/"), "app")
    size = len(content.getvalue())
    show(f"localpubsub: {size / 1e6:.0f} MB of compressed layers, {BASE_COMPRESSED_BYTES / 1e6:.0f} MB below")
    assert size + BASE_COMPRESSED_BYTES < MAX_COMPRESSED_BYTES


def test_image_contains_only_localpubsub(image: Image) -> None:
    """The code of the image is the package localpubsub, with its descriptors."""
    code = image.root / APP.strip("/") / "code"
    assert [path.name for path in code.iterdir()] == ["localpubsub"]
    assert (code / "localpubsub" / "protocol" / "pubsub.binpb").exists()


@pytest.fixture
def running(image: Image, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the image's command with a free port and PUBSUB_PROJECT1; yield the process and the port."""
    port = free_port()
    environment = image.environment | {"PUBSUB_PROJECT1": "shop,orders:billing", "HOME": str(tmp_path)}
    command = [str(port) if word == "8085" else word for word in image.command]
    program = shutil.which(command[0], path=environment["PATH"].replace("$PATH", os.defpath))
    assert program
    with subprocess.Popen(
        [program, *command[1:]], cwd=image.working_directory, env=environment, text=True
    ) as process:
        try:
            wait_until(lambda: is_listening(port), "the server listens")
            yield process, port
        finally:
            process.terminate()


def test_container_serves_healthily_and_stops(running: tuple[subprocess.Popen[str], int]) -> None:
    """The command serves gRPC on its port, its health check succeeds, and it ends after SIGTERM."""
    process, port = running
    with connect(f"127.0.0.1:{port}") as pubsub:
        [message_id] = pubsub.publish("projects/shop/topics/orders", b"a book")
        [received] = pubsub.pull("projects/shop/subscriptions/billing")
        assert received.message.message_id == message_id
    [check] = values("HEALTHCHECK")
    _, _, arguments = check.partition("CMD ")
    words = [word.strip(",") for word in shlex.split(arguments.strip("[]").replace('", "', '" "'))]
    code = words[-1].replace("8085", str(port))
    assert words[:2] == ["python", "-c"]
    # A container engine repeats a failed check, for example one that took too long on a busy machine.
    wait_until(lambda: _exit_code(code) == 0, "the health check succeeds")
    assert _exit_code(code.replace("/healthz", "/nothing-here")) == 1
    process.terminate()
    assert process.wait(MAX_WAIT_SECONDS) == 0


def _exit_code(python: str) -> int:
    return subprocess.run([sys.executable, "-c", python], capture_output=True, check=False).returncode
