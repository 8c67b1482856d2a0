"""Fills the ledger where Pub/Sub writes no rows itself, as the official emulator does not (localpubsub does).

Pulls the three topics, and acknowledges messages once their rows are on disk.

Unary pulls, not the client's streaming pull. Measured after the queue had been killed: closing a streaming
pull took 8 s, and it looks for a queue that is back only after up to a minute. An open pull is just given up.
"""

import sqlite3
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from google.api_core import exceptions
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import types

from console.errors import Complaint
from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import Row, timestamp
from console.stack.pubsub_setup import subscriber_client, subscription_path
from contract.topology import LEDGER_SUBSCRIPTIONS

MESSAGES_PER_PULL = 500  #: whose rows share a transaction
PULL_SECONDS = 60.0  #: an empty queue answers long before
ACKNOWLEDGE_SECONDS = 10.0
PATIENCE_SECONDS = 30.0  #: with a queue that only fails, besides an open pull
PAUSE_SECONDS = 0.3  #: before a queue that is gone is asked again
STOP_SECONDS = 3.0  #: for rows that are being written
# What the absence of a queue, or its restart, looks like: https://cloud.google.com/pubsub/docs/reference/error-codes
PASSING = (
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)


class Collector:
    """Pulls while its context is open.

    A message whose acknowledgement is lost comes again and makes a second row, which the views do not count.
    """

    def __init__(self, pubsub_host: str, ledger: Ledger) -> None:
        self._host = pubsub_host
        self._ledger = ledger
        self._stopping = threading.Event()
        self._fault: Exception | None = None
        self._held = ExitStack()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        client = self._held.enter_context(subscriber_client(self._host))
        for topic, name in LEDGER_SUBSCRIPTIONS.items():
            thread = threading.Thread(
                target=self._collect, args=(client, topic, name), name=name, daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._held.close()  # which ends the open pulls
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def fault(self) -> Exception | None:
        """Return why a topic is not collected any more; None while all is well."""
        return self._fault

    def _collect(self, client: SubscriberClient, topic: str, subscription: str) -> None:
        well = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._collect_once(client, topic, subscription_path(subscription))
                well = time.monotonic()
            except PASSING as wrong:
                if time.monotonic() - well > PULL_SECONDS + PATIENCE_SECONDS:
                    self._fault = wrong
                self._stopping.wait(PAUSE_SECONDS)
            except ValueError as wrong:  # grpc, of a channel that is closed
                self._fault = None if self._stopping.is_set() else wrong
                return
            # No such subscription; no ledger any more; a full disk.
            except (exceptions.GoogleAPIError, Complaint, sqlite3.Error) as wrong:
                self._fault = wrong
                return

    def _collect_once(self, client: SubscriberClient, topic: str, subscription: str) -> None:
        answer = client.pull(
            subscription=subscription, max_messages=MESSAGES_PER_PULL, timeout=PULL_SECONDS, retry=None
        )
        if not answer.received_messages:
            return
        self._ledger.record([_row(topic, subscription, each.message) for each in answer.received_messages])
        client.acknowledge(
            subscription=subscription,
            ack_ids=[each.ack_id for each in answer.received_messages],
            timeout=ACKNOWLEDGE_SECONDS,
            retry=None,
        )


def _row(topic: str, subscription: str, message: types.PubsubMessage) -> Row:
    return Row(
        topic=topic,
        subscription_name=subscription,
        message_id=message.message_id,
        publish_time=timestamp(message.publish_time),
        attributes=dict(message.attributes),
        data=message.data,
    )
