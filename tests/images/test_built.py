"""Tests of the contents of the built images, and of their commands under Cloud Run's container contract.

https://cloud.google.com/run/docs/container-contract. All these tests are in one file, so that one process of
pytest-xdist runs them and builds each image once.
"""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from threading import Event

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

import localpubsub
from tests.images.container import Container, is_read_only, running
from tests.images.dockerfile_build import APP, Image
from tests.repository.lock_files import locked, normalized
from tests.repository.tree import package_closure
from tests.servers.pushes import job, push
from tests.servers.site import PendingRequest, Site, http

Images = Callable[[str], Image]
#: Time limit for the exit after SIGTERM, in seconds. It is longer than the 10 s after which Cloud Run sends
#: SIGKILL, so that only a service that hangs fails the test, even on a busy machine.
EXIT_TIMEOUT_SECONDS = 120
#: Topic that each service publishes to.
TOPICS = {"dispatcher": "projects/p/topics/scrape-jobs", "worker": "projects/p/topics/scrape-outcomes"}
PAGE = b"<h1>Faust</h1>"


@pytest.fixture(params=["worker", pytest.param("dispatcher", marks=pytest.mark.long)])
def service(request: pytest.FixtureRequest) -> str:
    """Name of a service. Only the worker's image is always built, because building takes 20 s."""
    return str(request.param)


def app(image: Image) -> Path:
    """Return the directory that represents /app."""
    return image.root / APP.strip("/")


def packages(image: Image) -> Path:
    """Return the directory of the installed packages."""
    [directory] = app(image).glob("venv/lib/python*/site-packages")
    return directory


def size(folder: Path) -> int:
    """Return the total size of all files below a directory, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_installed_packages_are_exactly_those_of_the_lock(
    image: Image, service: str, show: Callable[[str], None]
) -> None:
    """The image contains exactly the packages of the service's lock. The test prints the sizes."""
    installed = {
        normalized(package.metadata["Name"]) for package in distributions(path=[str(packages(image))])
    }
    assert installed <= locked(service).keys()
    # pycparser is locked with a marker that excludes it on some machines.
    assert locked(service).keys() - installed <= {"pycparser"}
    sizes = {path.name: size(path) for path in packages(image).iterdir() if path.is_dir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    show(
        f"{service}: {size(packages(image)) / 2**20:.0f} MiB of packages"
        f" ({', '.join(f'{name} {sizes[name] / 2**20:.0f}' for name in largest)}),"
        f" {size(app(image) / 'code') / 2**10:.0f} KiB of our code"
    )


def test_only_the_code_of_the_service_is_copied(image: Image, service: str) -> None:
    """The image contains the service's own package and those that it imports, and no other files."""
    assert {path.name for path in (app(image) / "code").iterdir()} == package_closure(service)
    assert sorted(path.name for path in app(image).iterdir()) == ["code", "venv"]


def test_every_file_is_readable_and_compiled(image: Image) -> None:
    """All users may read every file, and every module has bytecode, as the service cannot write any."""
    files = [path for path in app(image).rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if not path.stat().st_mode & 0o004] == []
    code = [
        path for path in files if path.suffix == ".py" and "code" in path.relative_to(app(image)).parts[:1]
    ]
    compiled = {
        path.parent.parent / f"{path.name.split('.')[0]}.py" for path in files if path.suffix == ".pyc"
    }
    assert code
    assert set(code) - compiled == set()


@pytest.mark.parametrize("tool", ["pip", "setuptools"])
def test_installer_is_removed(image: Image, tool: str) -> None:
    """The image contains no pip and no setuptools, so a running service cannot install packages."""
    done = subprocess.run(
        [app(image) / "venv/bin/python", "-c", f"import {tool}"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    """Address of a running localpubsub with both topics and a subscription to each."""
    subscriptions = [
        {"name": f"projects/p/subscriptions/{name}", "topic": topic} for name, topic in TOPICS.items()
    ]
    setup = {"topics": list(TOPICS.values()), "subscriptions": subscriptions}
    with localpubsub.running(setup=setup, log_level="error") as server:
        yield server.host


@pytest.fixture
def container(image: Image, pubsub: str, tmp_path: Path) -> Iterator[Container]:
    """The service just after its start; it may not be listening yet."""
    variables = {
        "GOOGLE_CLOUD_PROJECT": "p",
        "PUBSUB_EMULATOR_HOST": pubsub,
        "PUSH_AUTH": "none",
        "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
        "USER_AGENT": "scrapeq-tests/1 (+https://scrapeq.example/)",
    }
    with running(image, tmp_path / "log", **variables) as container:
        yield container


def triggering_request(service: str, site: Site, path: str = "/page") -> tuple[str, str, bytes]:
    """Return a request that makes the service fetch `path` of the site: method, path, body."""
    if service == "worker":
        return "POST", "/", push(job(url=site.url(path)), message_id=secrets.token_hex(8))
    crawl = {
        "name": "books",
        "sources": {"sitemap": site.url(path)},
        "recipe": {"name": "b", "fields": {"t": {"css": "h1"}}},
    }
    return "POST", "/", json.dumps(crawl).encode()


def page(service: str, site: Site) -> bytes:
    """Return the HTTP response of the site with which the service succeeds."""
    if service == "worker":
        return http(200, PAGE)
    return http(
        200, f"<urlset><url><loc>{site.url('/1')}</loc></url></urlset>".encode(), content_type="text/xml"
    )


#: HTTP status of a successful request to each service.
SUCCESS_STATUS = {"worker": 204, "dispatcher": 200}


def pull_published(pubsub: str, service: str) -> int:
    """Pull the messages that the service published since the last call; return their number."""
    name = f"projects/p/subscriptions/{service}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
        with SubscriberClient() as subscriber:
            pulled = subscriber.pull(subscription=name, max_messages=1000, timeout=120).received_messages
            subscriber.acknowledge(
                subscription=name, ack_ids=[received.ack_id for received in pulled], timeout=120
            )
    return len(pulled)


def test_first_request_after_a_cold_start_succeeds(
    container: Container, service: str, site: Site, pubsub: str, show: Callable[[str], None]
) -> None:
    """The first request to a service without a home directory, write access or credentials succeeds.

    The test prints the duration of the cold start.
    """
    site.add("/page", page(service, site))
    status, body = container.first_response(*triggering_request(service, site))
    cold_seconds = time.monotonic() - container.started_at
    assert status == SUCCESS_STATUS[service], body
    assert pull_published(pubsub, service) == 1
    assert container.request("GET", "/healthz")[0] == 200
    sent_at = time.monotonic()
    assert container.request(*triggering_request(service, site))[0] == SUCCESS_STATUS[service]
    warm_seconds = time.monotonic() - sent_at
    assert pull_published(pubsub, service) == 1
    # The service never tried to write a file.
    assert "Read-only file system" not in container.log.read_text()
    file_system = (
        "read-only file system"
        if is_read_only()
        else "writable file system, since this machine forbids read-only mounts"
    )
    show(
        f"{service}: {cold_seconds:.2f} s from its start to its first {status},"
        f" {warm_seconds:.2f} s for the second request; {file_system}"
    )


def test_request_in_progress_at_sigterm_is_finished(
    container: Container, service: str, site: Site, pubsub: str
) -> None:
    """At SIGTERM, a service finishes the requests that it has accepted, and then exits with 0."""
    arrived, released = Event(), Event()

    def respond_when_released(visit: PendingRequest) -> None:
        arrived.set()
        released.wait(120)
        visit.send(page(service, site))

    site.add("/page", respond_when_released)
    assert container.first_response("GET", "/healthz")[0] == 200
    with ThreadPoolExecutor(1) as client:
        # Given a request that waits for its page
        response = client.submit(container.request, *triggering_request(service, site))
        try:
            assert arrived.wait(120), container.log.read_text()
            # When Cloud Run stops the instance
            container.process.terminate()
            terminated = time.monotonic()
        finally:
            released.set()
        # Then the request succeeds
        assert response.result(120)[0] == SUCCESS_STATUS[service]
    assert container.process.wait(terminated + EXIT_TIMEOUT_SECONDS - time.monotonic()) == 0
    assert pull_published(pubsub, service) == 1


def test_missing_setting_is_named_in_the_log(image: Image, tmp_path: Path) -> None:
    """A service logs the name of a missing setting and exits, so that its revision never becomes ready."""
    with running(image, tmp_path / "log") as container:
        assert container.process.wait(120) != 0
        log = container.log.read_text()
    assert "does not start. " in log
    assert "GOOGLE_CLOUD_PROJECT" in log
    assert "Traceback" not in log
