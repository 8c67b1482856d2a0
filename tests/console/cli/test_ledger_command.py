"""Tests of `scrapeq ledger` with a broker that cannot be used; tests/relay/test_ledger.py has the others."""

from pathlib import Path

import pytest

from tests.console.command import Scrapeq
from tests.servers.rabbitmq import RabbitMqServer


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER_URL", raising=False)
    monkeypatch.delenv("LEDGER", raising=False)


def test_without_a_broker_it_names_the_variable(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Without BROKER_URL and --broker, the command says what to set."""
    result = scrapeq("ledger", "--data", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Set BROKER_URL to the URL of the broker, for example amqp://")


def test_bigquery_is_not_written(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """A ledger in BigQuery is written by Pub/Sub, which the command says."""
    options = ("--broker", "amqp://127.0.0.1:1/", "--ledger", "bigquery://p/d", "--data", tmp_path)
    result = scrapeq("ledger", *options)
    assert result.exit_code == 2
    assert "BigQuery is written by Pub/Sub" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["https://user:secret@rabbit.example/", "amqp://user:secret@rabbit.example:x"]
)
def test_an_invalid_url_is_not_repeated(scrapeq: Scrapeq, tmp_path: Path, url: str) -> None:
    """The fault of a URL is one sentence, without the password."""
    result = scrapeq("ledger", "--broker", url, "--data", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("The URL of the broker ")
    assert "secret" not in result.stderr


def test_an_unreachable_broker_is_one_sentence(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """If nothing listens at the address, the command names the address and ends with 1."""
    result = scrapeq("ledger", "--broker", "amqp://user:secret@127.0.0.1:1/", "--data", tmp_path)
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_missing_queues_are_one_sentence(
    scrapeq: Scrapeq, tmp_path: Path, rabbitmq_server: RabbitMqServer
) -> None:
    """If the queues were not created, the command names the queue."""
    with rabbitmq_server.channel() as channel:
        channel.queue_delete("scrape-jobs-ledger")
    result = scrapeq("ledger", "--broker", rabbitmq_server.url, "--data", tmp_path)
    assert result.exit_code == 1
    assert "scrape-jobs-ledger" in result.stderr
    assert result.stderr.count("\n") == 1
