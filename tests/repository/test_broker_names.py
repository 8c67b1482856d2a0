"""Tests that the services do not know which broker carries their messages."""

import re

import pytest

from tests.repository.tree import ROOT, shown, sources

#: Names of brokers other than Pub/Sub, of their clients and of their protocols.
BROKER = re.compile(r"rabbit|amqp|pika|redis|\bsqs\b|boto3", re.IGNORECASE)


def lines_with_brokers(text: str) -> list[int]:
    """Return the numbers of the lines that name a broker."""
    return [number for number, line in enumerate(text.splitlines(), 1) if BROKER.search(line)]


@pytest.mark.parametrize("package", ["worker", "dispatcher", "push_endpoint", "runtime"])
def test_no_service_names_a_broker(package: str) -> None:
    """Only publishing/, relay/ and the schemes of BROKER_URL name the brokers that replace Pub/Sub."""
    found = {shown(path): lines_with_brokers(path.read_text(encoding="utf-8")) for path in sources(package)}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_name_of_a_broker_is_found() -> None:
    """The search reports the line of a name."""
    assert lines_with_brokers("import time\nfrom publishing.rabbitmq import publisher\n") == [2]
    assert (ROOT / "publishing" / "open_publisher.py").exists()
