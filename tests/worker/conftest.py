"""Defines the fixtures of the worker's tests."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import localpubsub
from tests.servers.push_tokens import Issuer
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, OUTCOMES_TOPIC
from tests.worker.worker_under_test import LogEvents, WorkerUnderTest


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    """The host:port of a running Pub/Sub server, which has the outcomes topic and a subscription to it."""
    setup = {
        "topics": [OUTCOMES_TOPIC],
        "subscriptions": [{"name": OUTCOMES_SUBSCRIPTION, "topic": OUTCOMES_TOPIC}],
    }
    with localpubsub.running(setup=setup, log_level="error") as server:
        yield server.host


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """An issuer of push tokens and of the certificate that verifies them."""
    return Issuer()


@pytest.fixture
def worker() -> WorkerUnderTest:
    """A worker whose scripted site returns a page that is scraped without an error."""
    return WorkerUnderTest()


@pytest.fixture
def log_events(caplog: pytest.LogCaptureFixture) -> LogEvents:
    """A function that returns the fields, level, exception and trace of each `delivery_finished` so far."""
    caplog.set_level(logging.INFO, logger="scrapeq")

    def events() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "scrapeq"]
        assert {record.message for record in records} <= {"delivery_finished"}
        return [
            record.__dict__["json_fields"]
            | {"level": record.levelno, "error": record.exc_info, "trace": record.__dict__["trace_context"]}
            for record in records
        ]

    return events
