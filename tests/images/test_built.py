"""The images, built by hand from the Dockerfiles' lines: what lies in them, and how they run on Cloud Run.

Their own commands, under its container contract: https://cloud.google.com/run/docs/container-contract.
One file, for all of it is one worker's who builds them once.
"""

import json
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
from tests.repository.lock_files import locked, normal
from tests.repository.tree import package_closure
from tests.servers.pushes import job, push
from tests.servers.site import PendingRequest, Site, http

pytestmark = pytest.mark.timeout(900)  # The packages may come from a slow index.

Images = Callable[[str], Image]
GRACE_SECONDS = 120  #: against hanging; Cloud Run sends SIGKILL 10 s after SIGTERM
TOPICS = {"dispatcher": "projects/p/topics/scrape-jobs", "worker": "projects/p/topics/scrape-outcomes"}
PAGE = b"<h1>Faust</h1>"


@pytest.fixture(params=["worker", pytest.param("dispatcher", marks=pytest.mark.long)])
def service(request: pytest.FixtureRequest) -> str:
    """Each service's name: building an image takes 20 s of processor time."""
    return str(request.param)


def app(image: Image) -> Path:
    """Return the directory that stands for /app."""
    return image.root / APP.strip("/")


def packages(image: Image) -> Path:
    """Return the directory of the installed packages."""
    [found] = app(image).glob("venv/lib/python*/site-packages")
    return found


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_installed_packages_are_exactly_those_of_the_lock(
    image: Image, service: str, show: Callable[[str], None]
) -> None:
    """An attacker can use only what is installed, so not even pip is. Prints the sizes."""
    installed = {normal(each.metadata["Name"]) for each in distributions(path=[str(packages(image))])}
    assert installed <= locked(service).keys()
    # A lock may name packages that their markers exclude on this machine.
    assert locked(service).keys() - installed <= {"pycparser"}
    sizes = {each.name: size(each) for each in packages(image).iterdir() if each.is_dir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    show(
        f"{service}: {size(packages(image)) / 2**20:.0f} MiB of packages"
        f" ({', '.join(f'{name} {sizes[name] / 2**20:.0f}' for name in largest)}),"
        f" {size(app(image) / 'code') / 2**10:.0f} KiB of ours"
    )


def test_only_the_code_of_the_service_is_copied(image: Image, service: str) -> None:
    """The image contains neither the other service nor the developers' lock."""
    assert {each.name for each in (app(image) / "code").iterdir()} == package_closure(service)
    assert sorted(each.name for each in app(image).iterdir()) == ["code", "venv"]


def test_every_file_is_readable_and_compiled(image: Image) -> None:
    """The service runs as a user that owns no file, and cannot write bytecode when it starts."""
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
    """A running service cannot install packages."""
    said = subprocess.run(
        [app(image) / "venv/bin/python", "-c", f"import {tool}"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 1


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    """A running Pub/Sub with both topics, and a subscription to each."""
    subscriptions = [
        {"name": f"projects/p/subscriptions/{name}", "topic": topic} for name, topic in TOPICS.items()
    ]
    setup = {"topics": list(TOPICS.values()), "subscriptions": subscriptions}
    with localpubsub.running(setup=setup, log_level="error") as server:
        yield server.host


@pytest.fixture
def container(image: Image, pubsub: str, tmp_path: Path) -> Iterator[Container]:
    """The service just after its start; it may not listen yet."""
    variables = {
        "GOOGLE_CLOUD_PROJECT": "p",
        "PUBSUB_EMULATOR_HOST": pubsub,
        "PUSH_AUTH": "none",
        "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
        "USER_AGENT": "scrapeq-tests/1 (+https://scrapeq.example/)",
    }
    with running(image, tmp_path / "log", **variables) as container:
        yield container


def work(service: str, site: Site, path: str = "/page") -> tuple[str, str, bytes]:
    """Return a request that makes the service fetch `path` of the site: method, path, body."""
    if service == "worker":
        return "POST", "/", push(job(url=site.url(path)))
    crawl = {
        "name": "books",
        "sources": {"sitemap": site.url(path)},
        "recipe": {"name": "b", "fields": {"t": {"css": "h1"}}},
    }
    return "POST", "/", json.dumps(crawl).encode()


def page(service: str, site: Site) -> bytes:
    """Return the site's response with which the service succeeds."""
    if service == "worker":
        return http(200, PAGE)
    return http(
        200, f"<urlset><url><loc>{site.url('/1')}</loc></url></urlset>".encode(), content_type="text/xml"
    )


DONE = {"worker": 204, "dispatcher": 200}


def published(pubsub: str, service: str) -> int:
    """Pull the messages that the service has published since the last call; return their number."""
    name = f"projects/p/subscriptions/{service}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
        with SubscriberClient() as subscriber:
            pulled = subscriber.pull(subscription=name, max_messages=1000, timeout=10).received_messages
            subscriber.acknowledge(subscription=name, ack_ids=[each.ack_id for each in pulled], timeout=120)
    return len(pulled)


def test_first_request_after_a_cold_start_succeeds(
    container: Container, service: str, site: Site, pubsub: str, show: Callable[[str], None]
) -> None:
    """The service works without a home directory, write access or an account. Prints the cold start."""
    site.add("/page", page(service, site))
    status, told = container.first_response(*work(service, site))
    cold = time.monotonic() - container.started
    assert status == DONE[service], told
    assert published(pubsub, service) == 1
    assert container.request("GET", "/healthz")[0] == 200
    started = time.monotonic()
    assert container.request(*work(service, site))[0] == DONE[service]
    warm = time.monotonic() - started
    assert published(pubsub, service) == 1
    # The service did not try to write a file.
    assert "Read-only file system" not in container.log.read_text()
    where = (
        "read-only file system"
        if is_read_only()
        else "writable file system, since this machine forbids read-only mounts"
    )
    show(f"{service}: {cold:.2f} s from its start to its first {status}, {warm:.2f} s to its second; {where}")


def test_request_in_progress_at_sigterm_is_finished(
    container: Container, service: str, site: Site, pubsub: str
) -> None:
    """At SIGTERM an instance responds to the requests that it has accepted, and ends."""
    arrived, released = Event(), Event()

    def hold(visit: PendingRequest) -> None:
        arrived.set()
        released.wait(120)
        visit.send(page(service, site))

    site.add("/page", hold)
    assert container.first_response("GET", "/healthz")[0] == 200
    with ThreadPoolExecutor(1) as other:
        # Given a request that waits for its page
        answer = other.submit(container.request, *work(service, site))
        try:
            assert arrived.wait(120), container.log.read_text()
            # When the instance is to end
            container.process.terminate()
            terminated = time.monotonic()
        finally:
            released.set()
        # Then the request succeeds
        assert answer.result(120)[0] == DONE[service]
    assert container.process.wait(terminated + GRACE_SECONDS - time.monotonic()) == 0
    assert published(pubsub, service) == 1


def test_missing_settings_are_named_in_the_log(image: Image, tmp_path: Path) -> None:
    """A revision with missing settings ends with a sentence in its log, and so does not become ready."""
    with running(image, tmp_path / "log") as container:
        assert container.process.wait(120) != 0
        said = container.log.read_text()
    assert "does not start. " in said
    assert "GOOGLE_CLOUD_PROJECT" in said
    assert "Traceback" not in said
