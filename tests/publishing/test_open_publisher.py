"""BROKER_URL decides which broker a service publishes to, in one place."""

import sys

import pytest

from dispatcher.settings import DispatcherSettings
from publishing.open_publisher import TopicPublisher, open_publisher
from publishing.pubsub.publisher import PubSubPublisher
from publishing.rabbitmq.publisher import RabbitMqPublisher
from publishing.redis.publisher import RedisPublisher
from publishing.sqs.publisher import SqsPublisher
from runtime.settings import BadSettings, ServiceSettings, load
from worker.settings import WorkerSettings


def opened(broker_url: str) -> TopicPublisher:
    """Return the publisher for a URL."""
    return open_publisher(broker_url, "p", "scrape-jobs", timeout_seconds=1, batch_seconds=0.01)


def test_without_a_url_messages_go_to_pubsub(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty BROKER_URL means Pub/Sub."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    publisher = opened("")
    assert isinstance(publisher, PubSubPublisher)
    publisher.close()


def test_a_url_of_rabbitmq_makes_its_publisher() -> None:
    """An amqp URL means RabbitMQ; nothing connects to it before the first message."""
    publisher = opened("amqp://127.0.0.1:1/")
    assert isinstance(publisher, RabbitMqPublisher)
    publisher.close()


def test_a_url_of_redis_makes_its_publisher() -> None:
    """A redis URL means Redis."""
    publisher = opened("redis://127.0.0.1:1/")
    assert isinstance(publisher, RedisPublisher)
    publisher.close()


def test_a_url_of_sqs_makes_its_publisher() -> None:
    """A URL of SQS means SQS."""
    publisher = opened("sqs://eu-central-1/")
    assert isinstance(publisher, SqsPublisher)
    publisher.close()


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pika, the error says which extra of scrapeq to install."""
    monkeypatch.setitem(sys.modules, "publishing.rabbitmq.publisher", None)
    with pytest.raises(ImportError, match=r"scrapeq\[rabbitmq\]"):
        opened("amqp://127.0.0.1:1/")


@pytest.mark.parametrize("settings", [WorkerSettings, DispatcherSettings])
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("amqps://user:secret@host/?cacertfile=/missing.pem", "names /missing.pem as cacertfile"),
        ("amqp://user:secret@host/?verify=none", "has an unknown parameter 'verify'"),
    ],
)
def test_a_service_does_not_start_with_a_url_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, settings: type[ServiceSettings], url: str, fault: str
) -> None:
    """What the URL names is checked with the settings, so that the service ends with all faults at once."""
    monkeypatch.setenv("PUSH_AUTH", "none")
    monkeypatch.setenv("BROKER_URL", url)
    with pytest.raises(BadSettings, match=f"BROKER_URL: {fault}") as error:
        load(settings)
    assert "secret" not in str(error.value)


def test_a_service_does_not_start_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the client of the broker is missing, the fault says which extra of scrapeq to install."""
    monkeypatch.setitem(sys.modules, "publishing.rabbitmq.publisher", None)
    monkeypatch.setenv("PUSH_AUTH", "none")
    monkeypatch.setenv("BROKER_URL", "amqp://127.0.0.1:1/")
    with pytest.raises(BadSettings, match=r"BROKER_URL: .*pip install 'scrapeq\[rabbitmq\]'"):
        load(WorkerSettings)


def test_another_url_is_refused() -> None:
    """A URL of a broker that is not supported is an error."""
    with pytest.raises(ValueError, match="must begin with amqp"):
        opened("kafka://host")
