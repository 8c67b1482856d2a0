"""The relay's command line refuses what cannot work, in a sentence, before it connects."""

import pytest

from relay.options import parse
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import run
from tests.servers.rabbitmq import RabbitMqServer

URL = "amqp://user:secret@127.0.0.1:1/"
ENDPOINT = ("--endpoint", "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("url", "arguments", "sentence"),
    [
        ("", ENDPOINT, "BROKER_URL must begin with amqp://"),
        (URL, (), "--endpoint is missing"),
        (URL, ("--endpoint", "127.0.0.1:8080"), "is not a URL"),
        (URL, ("--endpoint", "http://host/ HTTP/1.1"), "is not a URL"),
        (URL, ("--endpoint", "http://host:99999/"), "is not a URL"),
        (URL, ("--endpoint", "http://host:0/"), "is not a URL"),
        (URL, ("--endpoint", "http://a..b/"), "is not a URL"),
        (URL, (*ENDPOINT, "--window", "0"), "is not a whole number 1–32767"),
        (URL, (*ENDPOINT, "--max-attempts", "101"), "is not a whole number 1–100"),
        (URL, (*ENDPOINT, "--min-backoff", "20", "--max-backoff", "10"), "--max-backoff must not be less"),
        (URL, (*ENDPOINT, "--partitions", "0"), "is not a whole number 1–64"),
        (URL, (*ENDPOINT, "--audience", "worker"), "must be given together"),
    ],
)
def test_an_invalid_option_is_explained(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    """An invalid option ends the command with a sentence, which has no password."""
    monkeypatch.setenv("BROKER_URL", url)
    with pytest.raises(SystemExit):
        parse(list(arguments))
    error = capsys.readouterr().err
    assert sentence in error
    assert "secret" not in error


def test_the_help_ends_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with a command that can be copied."""
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "Example: BROKER_URL=" in capsys.readouterr().out.splitlines()[-1]


def test_an_unreachable_broker_is_explained() -> None:
    """Without a broker the relay ends with its address, and without the password."""
    done = run(URL, *ENDPOINT)
    assert done.returncode == 2
    assert done.stderr.startswith("relay: RabbitMQ at 127.0.0.1:1 cannot be reached")
    assert "secret" not in done.stderr + done.stdout


def test_a_refused_connection_is_explained() -> None:
    """If nothing listens where BROKER_URL says, the sentence says so."""
    for arguments in (ENDPOINT, ("--create",)):
        done = run(URL, *arguments)
        assert done.returncode == 2
        assert "RabbitMQ at 127.0.0.1:1 cannot be reached: [Errno 111] Connection refused" in done.stderr


def test_a_missing_queue_is_explained(rabbitmq_server: RabbitMqServer) -> None:
    """If a queue is missing, the sentence names it, and the command that creates it."""
    with rabbitmq_server.channel() as channel:
        channel.queue_delete("scrape-jobs-push")
    done = run(rabbitmq_server.url, *ENDPOINT)
    assert done.returncode == 2
    assert "no queue 'scrape-jobs-push'" in done.stderr
    assert "python -m relay --create" in done.stderr


def test_a_queue_that_is_not_a_quorum_queue_is_explained(rabbitmq_server: RabbitMqServer) -> None:
    """A queue that loses messages is refused, by the relay and by --create; nothing is taken from it."""
    with rabbitmq_server.channel() as channel:
        channel.queue_delete("scrape-jobs-push")
        channel.queue_declare("scrape-jobs-push", durable=False)
        channel.basic_publish("", "scrape-jobs-push", b"kept")
    refused = [run(rabbitmq_server.url, *arguments) for arguments in (ENDPOINT, ("--create",))]
    with rabbitmq_server.channel() as channel:
        kept = channel.basic_get("scrape-jobs-push", auto_ack=True)[2]
        channel.queue_delete("scrape-jobs-push")
    for done in refused:
        assert done.returncode == 2
        assert "inequivalent arg 'durable' for queue 'scrape-jobs-push'" in done.stderr
        assert "exists with other settings" in done.stderr
    assert kept == b"kept"


def test_a_failure_of_rabbitmq_itself_is_explained(rabbitmq_server: RabbitMqServer) -> None:
    """If RabbitMQ fails, the sentence names its log and a guide, whose remedy is a restart."""
    broker = RabbitMqUnderTest(rabbitmq_server)
    rabbitmq_server.end_dead_lettering()
    with pytest.raises(AssertionError) as failed:
        broker.create()
    broker.kill()
    broker.start()
    broker.create()
    assert failed.match(r"INTERNAL_ERROR; RabbitMQ itself failed: .* docs/brokers.md")
