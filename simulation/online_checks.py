"""Checks what must hold at every moment of a run: what was published before what, and when."""

from typing import TYPE_CHECKING

from greenlet import getcurrent

from contract.outcome import Cause, Reason
from publishing.publisher import Message
from simulation.ledger import JobHistory, Published
from simulation.push import Push
from worker.finished import REMEMBERED_SECONDS
from worker.push_delivery import Delivery

if TYPE_CHECKING:
    from simulation.world import World

#: Events after which a job may be delivered, or published, more often than its attempts explain.
DISTURBANCES = frozenset({"cut", "lost", "duplicated", "redelivered"})


class OnlineChecks:
    """The checks of one run. It also counts what happens to each job.

    Args:
        world: the world that is checked.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._finished: dict[
            tuple[int, int], float
        ] = {}  # instance and message id → when it was acknowledged

    def on_event(self, event: str, message_id: int, message: Message) -> None:
        """Take an event of the subscription, see `JobsSubscription.watch`."""
        history = self._world.ledger.history(message)
        self._world.note(lambda: f"{event} message {message_id} of {history.url}")
        if event == "published":
            self._on_published(history, message_id, message)
        elif event == "delivered":
            history.deliveries += 1
        elif event == "acknowledged":
            history.pending.discard(message_id)
            self._on_acknowledged(history)
        elif event == "forwarded":
            history.pending.discard(message_id)
        elif event == "redelivered":
            history.pending.add(message_id)
        elif event == "expired":
            self._on_expired(history, message_id)
        if event in DISTURBANCES:
            history.disturbances += 1

    def on_publish(self, topic: str, message: Message, event: str) -> None:
        """Take an event of a topic, see `Topic.watch`."""
        world = self._world
        if event != "begins":
            world.ledger.history_of(message).disturbances += 1
            return
        push = getattr(getcurrent(), "push", None)
        if not isinstance(push, Push):
            return
        self._check_copies(topic, message, push)
        age = world.scheduler.now - push.received_at
        if age > world.scenario.settings.request_timeout_seconds:
            world.violation(
                "published_in_time", f"to {topic} {age:.1f} s after the push of {push.message_id}"
            )

    def _check_copies(self, topic: str, message: Message, push: Push) -> None:
        job_id = message.attributes["job_id"]
        if topic == "scrape-outcomes" or job_id != push.message.attributes["job_id"]:
            return
        history = self._world.ledger.jobs[job_id]
        if topic == "scrape-jobs" and push.attempt > 1:
            text = f"delivery {push.attempt} of {history.url} publishes a copy"
            self._world.violation("one_chain", text)
        if topic == "scrape-jobs-dead" and len(history.outcomes) < len(history.copies):
            self._world.violation("outcome_first", f"{history.url} was dead-lettered before its outcome")

    def on_delivered(self, push: Push, delivery: Delivery) -> None:
        """Take a delivery that a worker has finished."""
        history = self._world.ledger.history(push.message)
        is_first_or_in_vain = push.attempt == 1 or delivery.cause is Cause.INFRASTRUCTURE
        if is_first_or_in_vain and not delivery.acknowledges:
            history.refusals += 1
        name = (push.instance, push.message_id)
        seconds = push.received_at - self._finished.get(name, float("inf"))
        if 0 < seconds < REMEMBERED_SECONDS and delivery.reason is not Reason.DUPLICATE_DELIVERY:
            text = f"instance {push.instance} worked on {history.url} again after {seconds:.0f} s"
            self._world.violation("finished_once", text)
        if delivery.acknowledges and delivery.reason is not Reason.DUPLICATE_DELIVERY:
            self._finished[name] = self._world.scheduler.now

    def on_replayed(self, history: JobHistory) -> None:
        """Take a replay that acknowledged a dead letter."""
        self._on_acknowledged(history)

    def _on_published(self, history: JobHistory, message_id: int, message: Message) -> None:
        now = self._world.scheduler.now
        self._world.ledger.job_messages.append(Published(now, str(message_id), message))
        history.published_at.append(now)
        history.pending.add(message_id)
        if message.data in history.copies:
            return
        if history.copies and len(history.outcomes) < len(history.copies):
            outcomes = f"{len(history.outcomes)} outcomes and {len(history.copies)} earlier messages"
            self._world.violation("outcome_first", f"a copy of {history.url} was published after {outcomes}")
        if not history.copies and not self._follows_a_success(history.url):
            self._world.violation("outcome_first", f"{history.url} was published before its earlier page")
        history.copies.add(message.data)

    def _on_expired(self, history: JobHistory, message_id: int) -> None:
        for instance in self._world.cloud_run.instances:
            if any(push.message_id == message_id for push in instance.requests):
                text = f"{history.url} passed its ack deadline while instance {instance.number} works on it"
                self._world.violation("deadline_chain", text)

    def _follows_a_success(self, url: str) -> bool:
        """Return whether the page before this one in its listing, if there is one, has succeeded."""
        listing, _, number = url.rpartition("/")
        if not number.isdecimal() or number == "1":
            return True
        ledger = self._world.ledger
        before = ledger.by_url.get(f"{listing}/{int(number) - 1}", set())
        return any(ledger.jobs[job_id].succeeded for job_id in before)

    def _on_acknowledged(self, history: JobHistory) -> None:
        if not (history.succeeded or history.dead_letter_count or history.pending):
            self._world.violation(
                "acknowledged_last", f"{history.url} is acknowledged, and nothing is left of it"
            )
