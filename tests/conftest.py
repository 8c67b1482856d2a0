"""What holds for every test."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import pubsub as servers
from tests.servers.pubsub import PubsubServer
from tests.servers.recording_publisher import RecordingPublisher
from tests.servers.site import Site, running_site

# Few examples, for a quick answer, and no clock that decides what is right. In CI always the same ones, so
# that a change is judged by what it changes; everywhere else others each time.
settings.register_profile("scrapeq", max_examples=50, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("scrapeq")

# A shell starts its background jobs with SIGINT ignored, and their children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


#: Folders of tests that wait for processes and servers: begun first, so that none is left for the end.
SLOW = ("scripts", "journey", "rollout", "images", "terraform", "conformance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long (with --no-loadscope-reorder processes share the files in this order)."""
    folders = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(folders).parts[0] not in SLOW)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with running_site() as site:
        yield site


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher that confirms."""
    return RecordingPublisher()


@pytest.fixture(scope="session")
def localpubsub_server() -> Iterator[PubsubServer]:
    """Our own, started once."""
    with servers.local() as started:
        yield started


@pytest.fixture(scope="session")
def emulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubsubServer]:
    """Google's, started once."""
    with servers.emulator(tmp_path_factory.mktemp("emulator")) as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports go between processes as UTF-8, and what a test logged may hold half a surrogate pair."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report
