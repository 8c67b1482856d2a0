"""Defines the settings and fixtures that all tests share."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import pubsub
from tests.servers.moto_sqs import MotoSqs, running_moto_sqs
from tests.servers.postgresql import PostgresqlServer, running_postgresql
from tests.servers.pubsub import PubsubServer
from tests.servers.rabbitmq import RabbitMqServer, running_rabbitmq
from tests.servers.recording_publisher import RecordingPublisher
from tests.servers.redis import RedisServer, running_redis
from tests.servers.restartable_localpubsub import RestartableLocalpubsub, running_restartable_localpubsub
from tests.servers.site import Site, running_site

# Hypothesis draws only 50 examples per test, so that the tests are fast, and has no time limit per example.
# CI always draws the same examples, so that only a change of the code can make a test fail; other runs draw
# new examples.
settings.register_profile("scrapeq", max_examples=50, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("scrapeq")

# A shell starts background jobs with SIGINT ignored, and child processes inherit that. Handle SIGINT again,
# because tests send it to child processes.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Folders of tests that wait for processes and servers. They run first, because a slow test that starts last
#: would run alone.
SLOW_FOLDERS = ("scripts", "journey", "rollout", "images", "terraform", "conformance", "console", "relay")


@pytest.hookimpl(tryfirst=True)  # The markers must be set before pytest selects tests by them.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the mark `long` to some tests, and move the slow folders to the front.

    Tests that take long on the official emulator get the mark, so that `make test` does not run them there.

    With the option --no-loadscope-reorder pytest-xdist starts the files in this order.
    """
    for item in items:
        if item.get_closest_marker("long_on_emulator") and item.get_closest_marker("emulator"):
            item.add_marker(pytest.mark.long)
    folders = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(folders).parts[0] not in SLOW_FOLDERS)


@pytest.fixture
def site() -> Iterator[Site]:
    """A running web site that only this test uses."""
    with running_site() as site:
        yield site


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher that confirms every message."""
    return RecordingPublisher()


@pytest.fixture(scope="session")
def localpubsub_server() -> Iterator[PubsubServer]:
    """A localpubsub server, started once for all tests of this process."""
    with pubsub.localpubsub_server() as started:
        yield started


@pytest.fixture(scope="session")
def restartable_localpubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableLocalpubsub]:
    """A localpubsub that tests can kill, started once for all tests of this process."""
    with running_restartable_localpubsub(tmp_path_factory.mktemp("localpubsub")) as started:
        yield started


@pytest.fixture(scope="session")
def emulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubsubServer]:
    """The official emulator, started once for all tests of this process."""
    with pubsub.emulator_server(tmp_path_factory.mktemp("emulator")) as started:
        yield started


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMqServer]:
    """A RabbitMQ, started once for all tests of this process."""
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as started:
        yield started


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that keeps what it confirms, started once for all tests of this process."""
    with running_redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="session")
def moto_sqs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoSqs]:
    """A server with the API of SQS, started once for all tests of this process."""
    with running_moto_sqs(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL, started once for all tests of this process."""
    with running_postgresql() as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in captured output, because pytest-xdist sends reports as UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report
