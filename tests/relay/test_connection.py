"""Publisher and relay connect to RabbitMQ over TLS, and explain why they may not connect or publish."""

from contextlib import closing
from pathlib import Path

import pytest

from contract.faults import ConfidentialFault
from publishing.publisher import Message
from publishing.rabbitmq.connection import connection_parameters
from publishing.rabbitmq.publisher import RabbitMqPublisher
from tests.publishing.unconfirmed import unconfirmed
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import run, running_relay
from tests.relay.worker_endpoint import WorkerEndpoint
from tests.servers.certificates import CertificateAuthority
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

ENDPOINT = ("--endpoint", "http://127.0.0.1:1/")
JOB = Message(b"a", {})


@pytest.fixture
def broker(rabbitmq_server: RabbitMqServer) -> RabbitMqUnderTest:
    """RabbitMQ with empty queues."""
    under_test = RabbitMqUnderTest(rabbitmq_server)
    under_test.create()
    return under_test


def publish(url: str) -> str:
    """Publish a job, and return its message id."""
    with closing(RabbitMqPublisher(url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS)) as publisher:
        return publisher.publish(JOB)


def assert_unconfirmed(url: str, sentence: str) -> None:
    """Assert that a job is not confirmed, and that the error says why."""
    with closing(RabbitMqPublisher(url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS)) as publisher:
        unconfirmed(publisher, JOB, sentence)


def limited(server: RabbitMqServer) -> str:
    """Return the URL of the user whose permissions are limited."""
    return server.url.replace("guest:guest", "limited:secret")


@pytest.mark.usefixtures("broker")
def test_messages_go_over_tls(
    rabbitmq_server: RabbitMqServer, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """With the file of the authority in the URL, publisher, --create and relay use TLS."""
    url = f"{rabbitmq_server.tls_url}?cacertfile={rabbitmq_server.ca_file}"
    assert run(url, "--create").returncode == 0
    message_id = publish(url)
    with running_relay(url, endpoint.url, tmp_path / "relay.log") as relay:
        wait_until(lambda: relay.counter("acknowledged") == 1)
    assert [push.message_id for push in endpoint.pushes] == [message_id]


@pytest.mark.parametrize(
    ("host", "is_known", "sentence"),
    [
        ("localhost", False, r"certificate is not trusted: .*; name the file .*\?cacertfile=.*SSL_CERT_FILE"),
        ("127.0.0.1", True, r"certificate is not trusted: .*; the host of BROKER_URL must be a name in"),
    ],
)
def test_a_certificate_that_does_not_verify_is_explained(
    rabbitmq_server: RabbitMqServer, tmp_path: Path, host: str, is_known: bool, sentence: str
) -> None:
    """A certificate of another authority or host is refused, with what to do about it."""
    other = tmp_path / "other.pem"
    other.write_text(CertificateAuthority().pem())
    file = rabbitmq_server.ca_file if is_known else other
    url = rabbitmq_server.tls_url.replace("localhost", host) + f"?cacertfile={file}"
    assert_unconfirmed(url, sentence)
    done = run(url, *ENDPOINT)
    assert done.returncode == 2
    assert done.stderr.startswith(f"relay: RabbitMQ at {host}:{rabbitmq_server.tls_port}: its certificate")


@pytest.mark.parametrize(
    ("scheme", "parameters", "sentence"),
    [
        (
            "amqps",
            "cacertfile=/missing.pem",
            "names /missing.pem as cacertfile, .*: No such file",
        ),
        (
            "amqps",
            "certfile=/missing.pem&keyfile=/k.pem",
            "names /missing.pem and /k.pem as certfile or key",
        ),
        ("amqps", f"cacertfile={__file__}", "cannot be used as PEM"),
        ("amqps", "keyfile=/k.pem", "keyfile without certfile"),
        ("amqps", "verify=verify_none", "unknown parameter 'verify'; it may have cacertfile"),
        ("amqp", "cacertfile=/ca.pem", "parameter cacertfile, which needs amqps://"),
    ],
)
def test_a_parameter_of_the_url_that_cannot_be_used_is_explained(
    scheme: str, parameters: str, sentence: str
) -> None:
    """A file that is missing or no PEM file, and an unknown parameter, are errors without the password."""
    with pytest.raises(ConfidentialFault, match=sentence) as error:
        connection_parameters(f"{scheme}://user:secret@host/?{parameters}", "test")
    assert "secret" not in str(error.value)


def test_the_relay_explains_a_file_that_is_missing() -> None:
    """The command ends with the sentence, and without a trace."""
    done = run("amqps://user:secret@127.0.0.1/?cacertfile=/missing.pem", *ENDPOINT)
    assert done.returncode == 2
    assert done.stderr == (
        "relay: BROKER_URL names /missing.pem as cacertfile, which cannot be used as PEM:"
        " No such file or directory\n"
    )


def test_a_user_without_a_password_is_explained() -> None:
    """RabbitMQ has no users without a password."""
    with pytest.raises(ConfidentialFault, match="user without a password"):
        connection_parameters("amqp://user@host/", "test")


@pytest.mark.parametrize(
    ("permissions", "arguments", "refused"),
    [
        (("", ".*", ".*"), ("--create",), "access to exchange 'scrape-"),
        ((".*", "", ".*"), ENDPOINT, "access to exchange 'amq.default'"),
        (("", "amq.default", ".*"), ENDPOINT, "access to exchange 'scrape-jobs-dead'"),
        ((".*", ".*", ""), ENDPOINT, "access to queue 'scrape-jobs-push'"),
    ],
    ids=["configure", "write", "write to the dead letters", "read"],
)
def test_a_missing_permission_is_explained_and_nothing_is_acknowledged(
    rabbitmq_server: RabbitMqServer,
    broker: RabbitMqUnderTest,
    permissions: tuple[str, str, str],
    arguments: tuple[str, ...],
    refused: str,
) -> None:
    """A command whose user may not do it ends and names the permission; the messages stay in their queue."""
    publish(broker.url)
    rabbitmq_server.set_permissions(*permissions)
    done = run(limited(rabbitmq_server), *arguments)
    assert done.returncode == 2
    assert refused in done.stderr
    assert "refused for user 'limited'" in done.stderr
    assert "`rabbitmqctl set_permissions` gives the user of BROKER_URL the permission" in done.stderr
    with rabbitmq_server.channel() as channel:
        method, properties, _ = channel.basic_get("scrape-jobs-push")
        assert method is not None
        assert properties.headers.get("x-delivery-count", 0) == 0


@pytest.mark.usefixtures("broker")
def test_a_publisher_without_the_permission_to_write_is_unconfirmed(rabbitmq_server: RabbitMqServer) -> None:
    """A message that the user may not publish counts as not sent, and the error names the permission."""
    rabbitmq_server.set_permissions("", "", "")
    assert_unconfirmed(limited(rabbitmq_server), r"exchange 'scrape-jobs'.*rabbitmqctl set_permissions")


@pytest.mark.parametrize("partitions", ["1", "2"])
def test_the_permissions_of_the_documentation_suffice(
    rabbitmq_server: RabbitMqServer,
    broker: RabbitMqUnderTest,
    endpoint: WorkerEndpoint,
    tmp_path: Path,
    partitions: str,
) -> None:
    """With those of docs/brokers.md, queues are created, and a message is returned and dead-lettered."""
    endpoint.answer = lambda _: 503
    options = ("--max-attempts", "2", "--min-backoff", "1", "--partitions", partitions)
    broker.create(*options)
    rabbitmq_server.set_permissions("scrape-.*", "amq.default|scrape-.*", "scrape-.*")
    assert run(limited(rabbitmq_server), "--create", *options).returncode == 0
    rabbitmq_server.set_permissions("", "scrape-.*", "")
    publish(limited(rabbitmq_server))
    rabbitmq_server.set_permissions("", "amq.default|scrape-.*", "scrape-.*")
    log = tmp_path / "relay.log"
    with running_relay(limited(rabbitmq_server), endpoint.url, log, *options) as relay:
        wait_until(lambda: relay.counter("dead_lettered") == 1)
        wait_until(broker.is_empty)
    assert len(broker.dead_letters()) == 1
