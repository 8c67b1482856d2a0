"""Tests of the broker that an operator chooses."""

from pathlib import Path

import pytest

from console.errors import UsageError
from console.ledger.ledger import Ledger
from console.stack.addresses import Addresses
from console.stack.brokers.choice import (
    LOCAL_BROKERS,
    choose_broker,
    identity_of,
    refuse_other_broker,
    title_of,
)
from console.stack.stack_file import StackRecord, write_stack
from tests.console.ledger.rows import job_row, record


def test_a_url_starts_no_server() -> None:
    """A URL names a broker that runs, and no broker means localpubsub; neither has a server of its own."""
    assert choose_broker("amqp://user:secret@rabbit.example/") is None
    assert choose_broker("") is None


@pytest.mark.parametrize("name", LOCAL_BROKERS)
def test_a_missing_server_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If the server is not installed, the message says what installs it, and that a URL would do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("console.stack.brokers.rabbitmq.DEBIAN", tmp_path / "missing")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError) as raised:
        choose_broker(name)
    text = str(raised.value)
    assert "is not installed" in text
    assert " install " in text
    assert "--broker " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("broker", "expected"),
    [
        ("rabbit", "no broker has this name"),
        ("http://user:secret@host/", "must begin with"),
        ("amqp://", "has no host"),
    ],
)
def test_an_invalid_broker_is_refused(broker: str, expected: str) -> None:
    """A wrong name or URL is answered with a sentence, which does not repeat a password."""
    with pytest.raises(UsageError) as raised:
        choose_broker(broker)
    assert expected in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_identity_of_a_broker_has_no_password() -> None:
    """What is printed and recorded about a broker is its name, or the scheme and the address of its URL."""
    assert identity_of("rabbitmq") == "rabbitmq"
    assert identity_of("amqp://user:secret@rabbit.example/vhost") == "amqp://rabbit.example:5672"
    assert [title_of(each) for each in ("", "rabbitmq")] == ["Pub/Sub", "RabbitMQ"]


def test_another_broker_is_refused_while_jobs_are_in_flight(tmp_path: Path) -> None:
    """Jobs in the queue of one broker would not be delivered by another one; without jobs it may change."""
    write_stack(tmp_path, StackRecord(1, Addresses("", "", "", ""), broker="rabbitmq"))
    refuse_other_broker(tmp_path, "")
    ledger = Ledger(tmp_path)
    ledger.create()
    refuse_other_broker(tmp_path, "")
    record(ledger, [job_row("a")])
    refuse_other_broker(tmp_path, "rabbitmq")
    with pytest.raises(UsageError, match="1 jobs in flight and 0 dead letters on RabbitMQ"):
        refuse_other_broker(tmp_path, "")
