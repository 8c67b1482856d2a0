"""Drives Pub/Sub for the conformance tests: localpubsub as a process, which itself pushes the jobs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from google.pubsub_v1.types import PushConfig

from console.stack.pubsub_setup import (
    prepare_topology,
    push_config_of,
    subscriber_client,
    subscription_path,
)
from console.stack.services import PROJECT, DeliveryPolicy
from contract.topology import DEAD_LETTER_SUBSCRIPTION, JOBS_TOPIC, PUSH_SUBSCRIPTION
from publishing.open_publisher import TopicPublisher
from publishing.publisher import Message
from publishing.pubsub.publisher import PubSubPublisher
from tests.relay.broker_under_test import Deliverer
from tests.servers.pubsub_client import connect
from tests.servers.restartable_localpubsub import RestartableLocalpubsub
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

GUIDE = "https://cloud.google.com/pubsub/docs"
REFERENCE = f"{GUIDE}/reference/rpc/google.pubsub.v1#google.pubsub.v1"
COUNTERS = {"acknowledged": "acks_total", "dead_lettered": "dead_letters_total"}


class PushSubscription:
    """The pushes of the jobs by a localpubsub, which has been started for them."""

    def __init__(self, server: RestartableLocalpubsub) -> None:
        self._server = server

    def start(self, endpoint: str) -> None:
        """Begin or continue to push to an endpoint, as `scrapeq resume --all` does."""
        self._set(push_config_of(endpoint))

    def pause(self) -> None:
        """Begin no further push, as `scrapeq pause --all` does; those that are open go on."""
        self._set(PushConfig())

    def finish(self) -> None:
        """See `Deliverer.finish`."""
        wait_until(lambda: self._metric("outstanding_messages") == 0, "no push is open")

    def counter(self, name: Literal["acknowledged", "dead_lettered"]) -> int:
        """See `Deliverer.counter`."""
        return self._metric(COUNTERS[name])

    def output(self) -> str:
        """See `Deliverer.output`."""
        return self._server.output()

    def kill(self) -> None:
        """Kill localpubsub, since there is no other process that delivers."""
        self._server.kill()

    def _metric(self, name: str) -> int:
        return self._server.metric(f"localpubsub_subscription_{name}", PUSH_SUBSCRIPTION)

    def _set(self, push_config: PushConfig) -> None:
        path = subscription_path(PUSH_SUBSCRIPTION)
        with subscriber_client(self._server.host) as subscriber:
            subscriber.modify_push_config(subscription=path, push_config=push_config)


class PubsubUnderTest:
    """Pub/Sub, with the topics and subscriptions of a local stack."""

    name = "Pub/Sub"
    cannot: Mapping[str, str] = {
        "dead-lettered after N, with a reason": "Pub/Sub adds to a dead letter where it comes from and "
        "the number of its deliveries, which is a best effort, and nothing of what the worker has answered: "
        f"{GUIDE}/handling-failures, {REFERENCE}.DeadLetterPolicy",
        "poison": "Pub/Sub pushes to the worker whatever is published to the topic; the worker refuses "
        f"what is not a job: {GUIDE}/push",
    }
    best_effort: Mapping[str, str] = {
        "attempts counted": "the number of the attempt is calculated at best effort, and approximate: "
        f"{REFERENCE}.ReceivedMessage",
        "delay between attempts": "the delay can be more or less than the configured one: "
        f"{REFERENCE}.RetryPolicy",
    }

    def __init__(self, server: RestartableLocalpubsub) -> None:
        self._server = server

    def prepare(self, policy: DeliveryPolicy) -> None:
        """See `BrokerUnderTest.prepare`."""
        if not self._server.is_running:
            self._server.start()
        self._server.control.reset()
        prepare_topology(self._server.host, "", policy)

    @contextmanager
    def deliver(
        self, endpoint: str, log: Path, policy: DeliveryPolicy, window: int
    ) -> Iterator[PushSubscription]:
        """See `BrokerUnderTest.deliver`.

        Pub/Sub has no setting for the window. `--max-outstanding` stands for what limits it in the cloud: the
        instances and the concurrency of the worker on Cloud Run.
        """
        self._server.restart(log, "--max-outstanding", str(window))
        prepare_topology(self._server.host, endpoint, policy)
        pushes = PushSubscription(self._server)
        pushes.start(endpoint)
        try:
            yield pushes
        finally:
            if self._server.is_running:
                pushes.pause()

    @contextmanager
    def lose_acknowledgements(self, deliverer: Deliverer) -> Iterator[None]:
        """Kill localpubsub, to which the worker's response would have been the acknowledgement."""
        deliverer.kill()
        yield
        self.start()

    def publisher(self, topic: str) -> TopicPublisher:
        """See `BrokerUnderTest.publisher`."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PUBSUB_EMULATOR_HOST", self._server.host)
            return PubSubPublisher(PROJECT, topic, timeout_seconds=MAX_WAIT_SECONDS, batch_seconds=0)

    def publish_foreign(self, data: bytes) -> None:
        """See `BrokerUnderTest.publish_foreign`."""
        self._server.control.publish(JOBS_TOPIC, data)

    def dead_letters(self) -> list[Message]:
        """See `BrokerUnderTest.dead_letters`."""
        path, found = subscription_path(DEAD_LETTER_SUBSCRIPTION), list[Message]()
        with connect(self._server.host) as client:
            while received := client.pull_now(path):
                found += [Message(each.message.data, dict(each.message.attributes)) for each in received]
                client.ack(path, received)
        return found

    def is_empty(self) -> bool:
        """See `BrokerUnderTest.is_empty`."""
        return self._server.metric("localpubsub_subscription_backlog_messages", PUSH_SUBSCRIPTION) == 0

    def kill(self) -> None:
        """See `BrokerUnderTest.kill`."""
        self._server.kill()

    def start(self) -> None:
        """See `BrokerUnderTest.start`."""
        self._server.start()
