"""Models a topic as its publishers see it: a message is stored, and later they get the confirmation."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from publishing.publisher import Message, PublishUnconfirmed
from simulation.scheduler import Scheduler

#: How publishing to a topic fails: it is rejected; it takes longer than the publisher waits; it is stored
#: although the publisher gets an error; it is stored twice.
PublishFault = Literal["refused", "slow", "lying", "doubled"]
TRANSIT = (0.005, 0.03)  #: seconds from the publisher to the topic, and as many back


@dataclass
class Topic:
    """A topic of the model.

    Attributes:
        name: short name of the topic.
        scheduler: the clock, and the source of random choices.
        store: called with each stored message; returns its message id, or None if the broker is down.
        faults: what is wrong with publishing to this topic now, each with its probability from 0 to 1.
        watch: called with the name of the topic, the message and what happens: `begins`, or the fault.
    """

    name: str
    scheduler: Scheduler
    store: Callable[[Message], str | None]
    faults: dict[PublishFault, float] = field(default_factory=dict)
    watch: Callable[[str, Message, str], None] | None = None

    def publish(self, message: Message, timeout: float, *, retries: bool = True) -> str:
        """Publish one message; the calling greenlet waits for the confirmation.

        A publisher that retries sends a rejected message again until its timeout.

        Raises:
            PublishUnconfirmed: if there is no confirmation within `timeout` seconds.
        """
        random, sleep = self.scheduler.random, self.scheduler.sleep
        deadline = self.scheduler.now + timeout
        fault = self._fault()
        if self.watch is not None:
            self.watch(self.name, message, "begins")
            if fault is not None:
                self.watch(self.name, message, fault)
        if fault == "refused":
            sleep(timeout if retries else TRANSIT[1])
            raise PublishUnconfirmed(self.name, "refused")
        if fault == "slow":
            self.scheduler.after(random.uniform(0.5, 4.0) * timeout, lambda: self.store(message))
            sleep(timeout)
            raise PublishUnconfirmed(self.name, f"no response within {timeout:g} s")
        sleep(random.uniform(*TRANSIT))
        message_id = self.store(message)
        while message_id is None:
            if self.scheduler.now >= deadline or not retries:
                raise PublishUnconfirmed(self.name, "the broker is down")
            sleep(min(0.5, deadline - self.scheduler.now) + 0.001)
            message_id = self.store(message)
        sleep(random.uniform(*TRANSIT))
        if fault == "lying":
            sleep(max(0.0, deadline - self.scheduler.now))
            raise PublishUnconfirmed(self.name, "the confirmation was lost")
        if fault == "doubled":
            self.store(message)
        return message_id

    def _fault(self) -> PublishFault | None:
        for fault, probability in self.faults.items():
            if self.scheduler.random.random() < probability:
                return fault
        return None


class TopicPublisher:
    """Publishes to a modelled topic, with the interface of `publishing.publisher.Publisher`.

    Args:
        topic: the topic.
        timeout_seconds: how long it waits for a confirmation, unless a call says otherwise.
        retries: whether it sends a rejected message again within that time.
    """

    def __init__(self, topic: Topic, timeout_seconds: float, *, retries: bool = True) -> None:
        self.topic = topic
        self._timeout_seconds = timeout_seconds
        self._retries = retries

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Publish one message; see `Publisher.publish`."""
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return self.topic.publish(message, seconds, retries=self._retries)

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many messages one after the other; see `Publisher.publish_all`."""
        for message in messages:
            try:
                yield self.publish(message)
            except PublishUnconfirmed as error:
                yield error
