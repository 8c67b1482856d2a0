"""Broken variants of the system. Each breaks one rule, and at least one invariant must notice it.

A variant replaces a function of the product, or of a model, for the time of its runs. The product has no
switch for it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from greenlet import getcurrent

import worker.ack_policy
import worker.rate_limiter
from contract.attempt import AttemptFailed
from dispatcher.replay import Replayer
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from publishing.publisher import Message
from simulation.messages import TopicPublisher
from simulation.push import Push
from simulation.scenario import Scenario
from simulation.subscription import JobsSubscription
from simulation.virtual_gevent import spawn_later
from worker.ack_policy import Acknowledge, DeadLetter, Disposition, FinishedAttempt, Requeue, SettledPolicy
from worker.budget import PageBudget
from worker.finished import FinishedMessages
from worker.host_slots import HostSlots, Lane, LaneTimes, parse_retry_after
from worker.settlement import Settler
from worker.shutdown import Shutdown

Replacement = tuple[object, str, Callable[..., Any]]


@dataclass(frozen=True)
class Variant:
    """A broken variant of the system.

    Attributes:
        name: its name.
        rule: the rule that it breaks, as a sentence.
        replacements: owner, name and new function of each replaced function.
        change: changes the scenario of a seed.
    """

    name: str
    rule: str
    replacements: tuple[Replacement, ...] = ()
    change: Callable[[Scenario], Scenario] = lambda scenario: scenario


@contextmanager
def broken(variant: Variant) -> Iterator[None]:
    """Break the system inside the context."""
    with ExitStack() as stack:
        for owner, name, function in variant.replacements:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, function)
        yield


def _unconfirmed(topic: str) -> Callable[..., str]:
    """Return a `publish` that does not wait for the confirmations of one topic."""
    publish = TopicPublisher.publish

    def send(publisher: TopicPublisher, message: Message, seconds: float | None) -> None:
        try:
            publish(publisher, message, seconds)
        except AttemptFailed:
            return

    def publish_unconfirmed(publisher: TopicPublisher, message: Message, seconds: float | None = None) -> str:
        if publisher.topic.name != topic or not hasattr(getcurrent(), "push"):
            return publish(publisher, message, seconds)
        spawn_later(0.0, send, publisher, message, seconds)
        return "unconfirmed"

    return publish_unconfirmed


def _before_outcome(*kinds: type) -> tuple[Replacement, ...]:
    """Return replacements that publish the outcome last, if the disposition is of one of these types."""
    publish, carry_out = Settler._publish, Settler._carry_out

    def publish_later(settler: Settler, publisher: object, *rest: Any) -> None:
        if publisher is settler.outcomes_publisher:
            getcurrent().kept_back = rest
        else:
            publish(settler, publisher, *rest)  # type: ignore[arg-type]  # the same arguments

    def carry_out_first(settler: Settler, disposition: Disposition, *rest: Any) -> None:
        kept_back = getcurrent().kept_back
        if isinstance(disposition, kinds):
            carry_out(settler, disposition, *rest)
        publish(settler, settler.outcomes_publisher, *kept_back)
        if not isinstance(disposition, kinds):
            carry_out(settler, disposition, *rest)

    return (Settler, "_publish", publish_later), (Settler, "_carry_out", carry_out_first)


def _decide_waits_as_attempts(policy: SettledPolicy, attempt: FinishedAttempt) -> Disposition:
    disposition = _decide(policy, attempt)
    return policy._after_failed_request(attempt) if isinstance(disposition, Requeue) else disposition


_decide = SettledPolicy.__call__
_copy = worker.ack_policy._copy
_block, _blocked_seconds = HostSlots.block, HostSlots.blocked_seconds
_move = OrderedBacklog._move
_restart = JobsSubscription._restart
_replay = Replayer.replay


def _copy_at_every_delivery(attempt: FinishedAttempt, *rest: Any) -> Disposition:
    return _copy(replace(attempt, delivery=1), *rest)


def _copy_without_count(attempt: FinishedAttempt, attempts: int, not_before: datetime | None) -> Disposition:
    return _copy(attempt, min(attempts, attempt.job.attempts), not_before)


def _lane_host(host: str) -> str:
    push = getattr(getcurrent(), "push", None)
    key = push.message.ordering_key if isinstance(push, Push) else ""
    return key or host


def _move_without_release(backlog: OrderedBacklog, *arguments: Any) -> str:
    if arguments[1] == "attempts exhausted":
        backlog._key_of.pop(arguments[2].message_id, None)
    return _move(backlog, *arguments)


def _restart_without_leased(subscription: JobsSubscription) -> None:
    for message_id in [each for each, deliveries in subscription.unacknowledged.items() if deliveries]:
        del subscription.unacknowledged[message_id]
    _restart(subscription)


def _with_ack_deadline(seconds: float) -> Callable[[Scenario], Scenario]:
    return lambda scenario: replace(scenario, ack_deadline=seconds)


VARIANTS = (
    Variant(
        "acknowledged before the outcome is confirmed",
        "The acknowledgement comes after the confirmation of the outcome.",
        ((TopicPublisher, "publish", _unconfirmed("scrape-outcomes")),),
    ),
    Variant(
        "acknowledged before the dead letter is confirmed",
        "The acknowledgement comes after the confirmation of the dead letter.",
        ((TopicPublisher, "publish", _unconfirmed("scrape-jobs-dead")),),
    ),
    Variant(
        "acknowledged before the copy or the next page is confirmed",
        "The acknowledgement comes after the confirmation of the copy or of the next page's job.",
        ((TopicPublisher, "publish", _unconfirmed("scrape-jobs")),),
    ),
    Variant(
        "copy published before the outcome",
        "A copy is published only after its outcome is confirmed.",
        _before_outcome(Requeue),
    ),
    Variant(
        "next page published before the outcome",
        "The next page's job is published only after the outcome of its page is confirmed.",
        _before_outcome(Acknowledge),
    ),
    Variant(
        "dead letter published before the outcome",
        "A dead letter is published only after its outcome is confirmed.",
        _before_outcome(DeadLetter),
    ),
    Variant(
        "waits counted as attempts",
        "Only a failed request is an attempt.",
        ((SettledPolicy, "__call__", _decide_waits_as_attempts),),
    ),
    Variant(
        "failed requests not counted",
        "A copy carries the number of failed requests.",
        ((worker.ack_policy, "_copy", _copy_without_count),),
    ),
    Variant(
        "redelivery publishes a copy too",
        "Only the first delivery of a message publishes a copy.",
        ((worker.ack_policy, "_copy", _copy_at_every_delivery),),
    ),
    Variant(
        "nacked instead of held",
        "A push is held while its job waits.",
        ((PageBudget, "remaining_hold", lambda budget: 0.0),),
    ),
    Variant(
        "ack deadline shorter than the hold",
        "Wait, page, publishing and Cloud Run's queue fit into the ack deadline.",
        change=_with_ack_deadline(60.0),
    ),
    Variant(
        "no memory of finished messages",
        "An instance acknowledges a message that it has finished without working on it again.",
        ((FinishedMessages, "contains", lambda finished, name, now: False),),
    ),
    Variant(
        "no cooldown after Retry-After",
        "No request of an instance to a host until its Retry-After is over.",
        ((HostSlots, "block", lambda slots, host, seconds, now: None),),
    ),
    Variant(
        "Retry-After forgotten by the second lane",
        "A Retry-After holds for all lanes of an instance.",
        (
            (HostSlots, "block", lambda slots, host, *rest: _block(slots, _lane_host(host), *rest)),
            (
                HostSlots,
                "blocked_seconds",
                lambda slots, host, now: _blocked_seconds(slots, _lane_host(host), now),
            ),
        ),
    ),
    Variant(
        "date of Retry-After read by the worker's clock",
        "A date in Retry-After is compared with the Date header of the same response.",
        ((worker.rate_limiter, "parse_retry_after", lambda text, _, now: parse_retry_after(text, "", now)),),
    ),
    Variant(
        "lane opened during Retry-After",
        "After a Retry-After the worker keeps the push, so that the lane stays closed for every worker.",
        ((Shutdown, "hold", lambda shutdown, seconds: None),),
    ),
    Variant(
        "lane boundary ignored",
        "The requests of a lane begin only at its own times.",
        ((Lane, "times", lambda lane, host, delay, wall_time: LaneTimes(0.0, 0.001)),),
    ),
    Variant(
        "key not released after a dead letter",
        "After a dead letter its ordering key delivers the next message.",
        ((OrderedBacklog, "_move", _move_without_release),),
    ),
    Variant(
        "leases forgotten at a seek",
        "A seek keeps the messages that are being delivered.",
        (
            (
                JobsSubscription,
                "unacknowledged_ids",
                lambda subscription: sorted(
                    each for each, deliveries in subscription.unacknowledged.items() if not deliveries
                ),
            ),
        ),
    ),
    Variant(
        "leases forgotten at a restart",
        "A restart of the broker keeps the messages that were being delivered.",
        ((JobsSubscription, "_restart", _restart_without_leased),),
    ),
    Variant(
        "replay acknowledges first",
        "A replayed dead letter is acknowledged after its job is confirmed.",
        (
            (
                Replayer,
                "replay",
                lambda replayer, *rest: _replay(
                    replace(replayer, jobs_publisher=_Unconfirmed(replayer.jobs_publisher)), *rest
                ),
            ),
        ),
    ),
)


class _Unconfirmed:
    """A publisher that does not wait for the confirmation of another."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher

    def publish(self, message: Message) -> str:
        """Publish without waiting."""
        spawn_later(0.0, self._send, message)
        return "unconfirmed"

    def _send(self, message: Message) -> None:
        try:
            self._publisher.publish(message)
        except AttemptFailed:
            return
