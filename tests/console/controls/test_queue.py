"""Tests how operators change the labels of the jobs topic, also two of them at the same time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPIError
from google.pubsub_v1 import types

from console.controls.operator_queue import SETTLE_SECONDS, SPAN_SECONDS, OperatorQueue
from console.controls.queue import PubsubQueue, open_queue
from console.errors import ControlError
from console.stack.pubsub_address import PubsubAddress
from contract.controls import MAX_LABELS, Controls
from contract.topology import JOBS_TOPIC, PUSH_SUBSCRIPTION
from tests.servers.pubsub import PubsubServer
from tests.worker.fetching import FakeClock


@dataclass
class JobsTopic:
    """A topic with labels, as the client of Pub/Sub shows it to two operators.

    Attributes:
        clock: the time.
        labels: the labels.
        call_seconds: duration of each call.
        on_read: called after each reading of the labels: what another operator does at that moment.
        error: raised by each update.
        writes: number of updates.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    labels: dict[str, str] = field(default_factory=dict)
    call_seconds: float = 0.01
    on_read: Callable[[], object] = lambda: None
    error: GoogleAPIError | None = None
    writes: int = 0

    def get_topic(self, **_: object) -> types.Topic:
        """Return the topic."""
        self.clock.seconds += self.call_seconds
        topic = types.Topic(name="t", labels=self.labels)
        self.on_read()
        return topic

    def update_topic(self, request: dict[str, Any], timeout: float, retry: object) -> types.Topic:
        """Replace the labels."""
        del retry
        assert request["update_mask"] == {"paths": ["labels"]}
        assert 0 < timeout <= SPAN_SECONDS
        self.writes += 1
        self.clock.seconds += self.call_seconds
        if self.error:
            raise self.error
        self.labels = dict(request["topic"].labels)
        topic: types.Topic = request["topic"]
        return topic

    def queue(self) -> OperatorQueue:
        """Return the queue of an operator who sees this topic."""
        topic: Any = self
        return PubsubQueue(topic, topic, clock=self.clock, now=lambda: 1000.0, sleep=self.clock.sleep)


def cancel(queue: OperatorQueue, run: str) -> None:
    """Cancel a run."""
    at = queue.now()
    queue.change(lambda controls: controls.cancel(run, at), lambda controls: controls.is_cancelled(run))


def test_a_change_keeps_other_labels_and_is_made_once() -> None:
    """The labels of others stay, and a change that is made already writes nothing."""
    topic = JobsTopic(labels={"team": "data"} | Controls().cancel("one", 999.0).to_labels())
    cancel(topic.queue(), "two")
    cancel(topic.queue(), "two")
    controls = Controls().cancel("one", 999.0).cancel("two", 1000.0)
    assert topic.labels == {"team": "data"} | controls.to_labels()
    assert topic.writes == 1


def test_a_change_that_another_operator_undoes_is_made_again() -> None:
    """If another operator then writes labels that are older, both changes are there in the end."""
    topic = JobsTopic()
    stale = Controls().cancel("theirs", 1000.0).to_labels()  # made from labels that were read before
    acts: Iterator[Callable[[], object]] = iter(
        [lambda: None, lambda: None, lambda: setattr(topic, "labels", stale)]
    )

    def act() -> None:
        next(acts, list)()

    topic.on_read = act
    cancel(topic.queue(), "ours")
    controls = Controls.from_labels(topic.labels)
    assert controls.is_cancelled("ours")
    assert controls.is_cancelled("theirs")
    assert topic.writes == 2


def test_a_change_is_watched_for_longer_than_another_write_may_take() -> None:
    """Whoever read the labels before a change has written before the change counts as made."""
    assert SETTLE_SECONDS > SPAN_SECONDS
    topic = JobsTopic()
    cancel(topic.queue(), "run")
    assert topic.clock.seconds >= SETTLE_SECONDS


def test_labels_that_took_long_to_read_are_not_written() -> None:
    """Labels that may be old are read again before they are changed."""
    topic = JobsTopic(call_seconds=SPAN_SECONDS / 2 + 0.1)
    topic.on_read = lambda: setattr(topic, "call_seconds", 0.01)
    cancel(topic.queue(), "run")
    assert topic.writes == 1


def test_operators_who_contradict_each_other_are_told() -> None:
    """A change that is undone again and again ends with a sentence that names the way out."""
    topic = JobsTopic()
    topic.on_read = lambda: setattr(topic, "labels", {})
    with pytest.raises(ControlError, match=r"has undone the change 5 times.*`scrapeq status`"):
        topic.queue().change(
            lambda controls: controls.pause_run("run", inf), lambda controls: bool(controls.paused_runs)
        )


def test_a_failure_says_that_the_act_is_not_in_force() -> None:
    """If Pub/Sub refuses the labels, the error says that the command must be given again."""
    topic = JobsTopic(error=GoogleAPIError("too slow"))
    with pytest.raises(ControlError, match=r"recorded, but not in force: give the command again.*too slow"):
        cancel(topic.queue(), "run")


def test_too_many_labels_are_refused_with_the_remedy() -> None:
    """The label that is one too many is refused, and the labels stay."""
    labels = {f"label-{number}": "" for number in range(MAX_LABELS)}
    topic = JobsTopic(labels=labels)
    with pytest.raises(ControlError, match=r"at most 64. Remove labels of your own from the topic"):
        cancel(topic.queue(), "run")
    assert topic.labels == labels


def make_queue(queue: PubsubQueue, push_config: types.PushConfig) -> None:
    """Create the jobs topic and its push subscription."""
    topic = queue.address.topic(JOBS_TOPIC)
    name = queue.address.subscription(PUSH_SUBSCRIPTION)
    queue.publisher.create_topic(name=topic)
    queue.subscriber.create_subscription(request={"name": name, "topic": topic, "push_config": push_config})


def test_pubsub_keeps_the_labels_and_the_empty_push_config(localpubsub_server: PubsubServer) -> None:
    """Pub/Sub itself takes the labels of a topic, and a push config that is emptied and restored."""
    push_config = types.PushConfig(push_endpoint="http://127.0.0.1:9/")
    with open_queue(PubsubAddress(localpubsub_server.host, "operators")) as queue:
        assert isinstance(queue, PubsubQueue)
        make_queue(queue, push_config)
        cancel(queue, "run")
        assert queue.controls().is_cancelled("run")
        queue.set_push_config(types.PushConfig())
        assert not queue.push_subscription().push_config.push_endpoint
        queue.set_push_config(push_config)
        assert queue.push_subscription().push_config.push_endpoint == push_config.push_endpoint


@pytest.mark.emulator
def test_the_official_emulator_refuses_labels_with_a_sentence(emulator_server: PubsubServer) -> None:
    """Google's emulator changes no labels of a topic (seen with 0.8.20), and the error says so."""
    push_config = types.PushConfig(push_endpoint="http://127.0.0.1:9/")
    with open_queue(PubsubAddress(emulator_server.host, "operators")) as queue:
        assert isinstance(queue, PubsubQueue)
        make_queue(queue, push_config)
        assert queue.controls() == Controls()
        with pytest.raises(ControlError, match=r"not in force.*labels is not a known Topic field"):
            cancel(queue, "run")
        queue.set_push_config(types.PushConfig())
        assert not queue.push_subscription().push_config.push_endpoint
