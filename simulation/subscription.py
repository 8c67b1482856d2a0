"""Models the push subscription of the jobs topic with localpubsub's real backlog, push window and backoff.

The model adds what localpubsub leaves to asyncio and SQLite: when a push begins and ends, which messages a
crash of the broker leaves, and a seek.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.dead_letter import dead_letter
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message import encode_with_id
from localpubsub.backlog.message_ids import MessageIds
from localpubsub.backlog.message_state import DEAD_LETTERED
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.ordering_keys import key_number
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.push.backoff import PushBackoff
from localpubsub.push.delivery import ACK_STATUSES
from localpubsub.push.window import PushWindow
from publishing.publisher import Message
from simulation.push import NAME, Push
from simulation.scheduler import Scheduler, Timer

MAX_OUTSTANDING = 3000  #: the documented lower limit of Pub/Sub's push window


class Stored(NamedTuple):
    """A message of the jobs topic.

    Attributes:
        message: what was published.
        published_at: when it was stored, seconds since the epoch.
    """

    message: Message
    published_at: float


@dataclass
class DeliveryFaults:
    """What is wrong with the deliveries now.

    Attributes:
        lost_acks: probability that the response of a push does not reach Pub/Sub, from 0 to 1.
        late_responses: probability that the response of a push takes up to 700 s to reach Pub/Sub.
        duplicates: probability that a message is pushed twice at the same time, from 0 to 1.
        redeliveries: probability that an acknowledged message is delivered again later, from 0 to 1.
    """

    lost_acks: float = 0.0
    late_responses: float = 0.0
    duplicates: float = 0.0
    redeliveries: float = 0.0


class JobsSubscription:
    """The jobs topic with its push subscription.

    Args:
        scheduler: the clock, and the source of random choices.
        policy: ack deadline, retry policy and dead-letter policy.
        send: begins a push; it later calls `respond`.
        forward: publishes a dead letter.
        watch: called with the name of each event, the message id and the message.

    Attributes:
        faults: what is wrong with the deliveries now.
        is_down: whether the broker is down.
        stored: message id → each message of the topic, acknowledged ones included.
        open: the open pushes by message id.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        policy: DeliveryPolicy,
        send: Callable[[Push], None],
        forward: Callable[[Message], None],
        watch: Callable[[str, int, Message], None],
    ) -> None:
        self.scheduler = scheduler
        self.policy = policy
        self.faults = DeliveryFaults()
        self.is_down = False
        self.stored: dict[int, Stored] = {}
        self.unacknowledged: dict[int, int] = {}  # message id → deliveries as written to the disk
        self.redelivered: set[int] = set()  # acknowledged messages that will be added to the backlog again
        self.open: dict[int, Push] = {}
        self.watch = watch
        self._send = send
        self._forward = forward
        self._backlog = OrderedBacklog(policy)
        self._window = PushWindow(MAX_OUTSTANDING)
        self._backoff = PushBackoff()
        self._ids = MessageIds()
        self._timer: Timer | None = None
        self._recent_acks: list[tuple[float, int, int]] = []

    def __len__(self) -> int:
        return len(self.unacknowledged)

    def warm_up(self) -> None:
        """Let the push window grow to the lower limit, as after hours of work."""
        while self._window.size < MAX_OUTSTANDING:
            self._window.record_ack(self._window.size, 0.1)

    def publish(self, message: Message) -> str | None:
        """Store a message; return its id, or None if the broker is down."""
        if self.is_down:
            return None
        message_id = self._ids.allocate(1, self.scheduler.now)[0]
        self.stored[message_id] = Stored(message, self.scheduler.now)
        self.unacknowledged[message_id] = 0
        self.watch("published", message_id, message)
        self._enqueue(self._backlog, message_id)
        self._wake()
        return str(message_id)

    def respond(self, push: Push, status: int) -> None:
        """Take the response to a push; a status of 0 means that there was none."""
        faults, random = self.faults, self.scheduler.random
        if status in ACK_STATUSES and faults.lost_acks and random.random() < faults.lost_acks:
            self.watch("lost", push.message_id, push.message)
            if random.random() < 0.5:
                return  # The response is lost without a trace; the ack deadline ends the push.
            status = 0
        if faults.late_responses and random.random() < faults.late_responses:
            self.watch("lost", push.message_id, push.message)
            self.scheduler.after(random.uniform(1.0, 700.0), lambda: self._take(push, status))
        else:
            self._take(push, status)

    def _take(self, push: Push, status: int) -> None:
        if push.closed_at <= self.scheduler.now or self.is_down:
            return
        if push.was_cut:
            self.watch("cut", push.message_id, push.message)
        self._close(push)
        if push.is_duplicate and status not in ACK_STATUSES:
            return
        self._end_twin(push)
        if self._backlog.is_current(push.lease):
            self._end(push, push.lease, status)
        self._wake()

    def crash(self, seconds: float, torn_seconds: float) -> None:
        """Kill the broker, and start it again from its disk after some seconds.

        Every confirmed message is on the disk. The acknowledgements of the last `torn_seconds` are not.
        """
        self.is_down = True
        self._cut_all()
        self.redelivered.clear()
        for when, message_id, attempts in self._recent_acks:
            if when >= self.scheduler.now - torn_seconds:
                self.unacknowledged[message_id] = attempts
                self.watch("redelivered", message_id, self.stored[message_id].message)
        self._recent_acks.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.scheduler.after(seconds, self._restart)

    def seek(self) -> None:
        """Rebuild the backlog, as a seek does: all leases end, and unacknowledged messages are kept."""
        self._cut_all()
        self.redelivered.clear()
        before = self._backlog
        message_ids = self.unacknowledged_ids()
        self._backlog = OrderedBacklog(self.policy)
        for message_id in message_ids:
            self._enqueue(self._backlog, message_id)
        self._backlog.carry_attempts(before.attempts(message_ids))
        self._wake()

    def unacknowledged_ids(self) -> list[int]:
        """Return the ids of all messages that a seek keeps, oldest first."""
        return sorted(self.unacknowledged)

    def _restart(self) -> None:
        self.is_down = False
        self._backlog = OrderedBacklog(self.policy)
        self._window = PushWindow(MAX_OUTSTANDING)
        self._backoff = PushBackoff()
        ordered = sorted(self.unacknowledged)
        self._backlog.add_ordering_keys(
            (message_id, key)
            for message_id in ordered
            if (key := key_number(self.stored[message_id].message.ordering_key))
        )
        for message_id in ordered:
            self._backlog.load(message_id, self.unacknowledged[message_id])
        self._wake()

    def _enqueue(self, backlog: OrderedBacklog, message_id: int) -> None:
        key = key_number(self.stored[message_id].message.ordering_key)
        if key:
            backlog.add_ordering_keys([(message_id, key)])
        backlog.enqueue([message_id])

    def _wake(self) -> None:
        """Begin as many pushes as the window and the backoff allow, and set the timer for what comes next."""
        if self.is_down:
            return
        now, backlog = self.scheduler.now, self._backlog
        while (
            len(self.open) < self._window.size
            and now >= self._backoff.resume_at
            and (lease := backlog.deliver(now, now + self.policy.ack_deadline)) is not None
        ):
            self._begin(lease)
        has_ready = backlog.ready(now)
        upcoming = backlog.next_event()
        if has_ready and now < self._backoff.resume_at:
            resume = self._backoff.resume_at
            upcoming = resume if upcoming is None else min(upcoming, resume)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if upcoming is None else self.scheduler.at(upcoming, self._expire)

    def _begin(self, lease: Lease) -> None:
        message = self.stored[lease.message_id].message
        self.unacknowledged[lease.message_id] = lease.attempt
        push = self.open[lease.message_id] = Push(lease.message_id, message, lease, self.scheduler.now)
        self.watch("delivered", lease.message_id, message)
        random = self.scheduler.random
        self.scheduler.after(random.uniform(0.005, 0.05), lambda: self._send(push))
        if self.faults.duplicates and random.random() < self.faults.duplicates:
            duplicate = push.twin = replace(push, is_duplicate=True, twin=push)
            self.watch("duplicated", lease.message_id, message)
            self.scheduler.after(random.uniform(0.005, 5.0), lambda: self._send(duplicate))

    def _expire(self) -> None:
        for lease, state in self._backlog.expire_leases(self.scheduler.now):
            push = self.open.pop(lease.message_id, None)
            if push is not None:
                self._cut(push)
                self.watch("expired", lease.message_id, push.message)
                self._nacked(lease)
            if state == DEAD_LETTERED:
                self._dead_letter(lease)
        self._wake()

    def _cut_all(self) -> None:
        for push in list(self.open.values()):
            self._cut(push)
        self.open.clear()

    def _cut(self, push: Push) -> None:
        self._stop_waiting(push)
        self._end_twin(push)
        self.watch("cut", push.message_id, push.message)

    def _end_twin(self, push: Push) -> None:
        """End the other push of a delivery that has ended, if it was sent twice."""
        twin = push.twin
        if twin is None or twin.closed_at <= self.scheduler.now:
            return
        self._stop_waiting(twin)
        if self.open.get(twin.message_id) is twin:
            del self.open[twin.message_id]
            self.watch("cut", twin.message_id, twin.message)

    def _stop_waiting(self, push: Push) -> None:
        push.closed_at = self.scheduler.now
        push.was_cut = True

    def _close(self, push: Push) -> None:
        push.closed_at = self.scheduler.now
        if self.open.get(push.message_id) is push:
            del self.open[push.message_id]

    def _end(self, push: Push, lease: Lease, status: int) -> None:
        now, message_id = self.scheduler.now, push.message_id
        if status in ACK_STATUSES:
            self._window.record_ack(len(self.open) + 1, now - lease.delivered_at)
            self._backoff.record_ack()
            self._backlog.acknowledge(lease)
            del self.unacknowledged[message_id]
            if len(self._recent_acks) > 1000:
                del self._recent_acks[:500]
            self._recent_acks.append((now, message_id, lease.attempt))
            self.watch("acknowledged", message_id, push.message)
            if self.faults.redeliveries and self.scheduler.random.random() < self.faults.redeliveries:
                self._deliver_again(message_id, lease.attempt)
            return
        self._nacked(lease)
        if self._backlog.nack(lease, now) == DEAD_LETTERED:
            self._dead_letter(lease)

    def _nacked(self, lease: Lease) -> None:
        now = self.scheduler.now
        self._window.record_nack(now - lease.delivered_at)
        self._backoff.record_nack(lease.delivered_at, now)
        self.watch("nacked", lease.message_id, self.stored[lease.message_id].message)

    def _deliver_again(self, message_id: int, attempts: int) -> None:
        """Deliver an acknowledged message again, which Pub/Sub may do at any time."""
        self.unacknowledged[message_id] = attempts
        self.redelivered.add(message_id)
        self.watch("redelivered", message_id, self.stored[message_id].message)
        self.scheduler.after(self.scheduler.random.uniform(0.1, 60.0), lambda: self._requeue(message_id))

    def _requeue(self, message_id: int) -> None:
        """Add an acknowledged message to the backlog again; its ordering key is respected."""
        if self.is_down or message_id not in self.redelivered:
            return
        self.redelivered.discard(message_id)
        self._enqueue(self._backlog, message_id)
        self._backlog.carry_attempts({message_id: self.unacknowledged[message_id]})
        self._wake()

    def _dead_letter(self, lease: Lease) -> None:
        message = self.stored[lease.message_id].message
        content = PubsubMessage(
            data=message.data, attributes=message.attributes, ordering_key=message.ordering_key
        )
        record = encode_with_id(content, lease.message_id, lease.message_id)
        letter = dead_letter(record, NAME, lease.attempt)
        self._forward(Message(bytes(letter.data), dict(letter.attributes), letter.ordering_key))
        del self.unacknowledged[lease.message_id]
        self.watch("forwarded", lease.message_id, message)
