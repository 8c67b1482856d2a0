"""Injects faults that also occur on the real service, with a seed so that a failed run can be repeated.

Pub/Sub delivers at least once
(https://cloud.google.com/pubsub/docs/subscription-overview#at-least-once-delivery) and counts attempts on a
best-effort basis (proto: DeadLetterPolicy.max_delivery_attempts). So a subscriber should be tested with
duplicate deliveries and with inexact attempt counts. These faults never lose a message.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import Final, Literal

from localpubsub.backlog.lease import Lease
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import CannotStart

CancelDelivery = Callable[[Subscription, Lease], None]
Fault = Literal["duplicate", "drop_ack", "late_ack", "early_dead_letter"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")

_log = logging.getLogger("localpubsub.broker.chaos")


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The faults to inject and their frequency; ``parse`` reads the value of the option ``--chaos``."""

    duplicate: float = 0.0  #: Share of acks (0..1) after which the message is delivered once more.
    drop_ack: float = 0.0  #: Share of acks (0..1) that are ignored, so that the lease expires.
    #: Share of acks (0..1) that count only after the ack deadline: the lease expires, and the next delivery
    #: of the message is its last, whatever the subscriber responds.
    late_ack: float = 0.0
    early_dead_letter: float = 0.0  #: Share of deliveries (0..1) that count as the final attempt.
    delay: float = 0.0  #: Seconds between the confirmation of a publish and the first delivery.
    seed: int = 0  #: The same seed and the same sequence of events lead to the same faults.

    @classmethod
    def parse(cls, text: str) -> "ChaosOptions":
        """Parse a value such as ``duplicate=0.05,drop_ack=0.02,delay=200ms,early_dead_letter=0.01,seed=7``.

        Raises:
            CannotStart: a name is unknown or a value is invalid.
        """
        values: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.strip().partition("=")
            values[name] = _value(name, value)
        seed = int(values.pop("seed", 0))
        return cls(**values, seed=seed)


class Chaos:
    """Decides for each event whether to inject a fault.

    Each fault has a separate random sequence on each subscription, so that the events of one subscription do
    not change the faults of another.
    """

    def __init__(self, options: ChaosOptions) -> None:
        self.delay = options.delay  #: Seconds between the confirmation of a publish and the first delivery.
        self.counts: Counter[str] = Counter()  #: Fault → how often it was injected.
        self._seed = options.seed
        self._shares: dict[Fault, float] = {
            "duplicate": options.duplicate,
            "drop_ack": options.drop_ack,
            "late_ack": options.late_ack,
            "early_dead_letter": options.early_dead_letter,
        }
        self._sequences: dict[tuple[Fault, str], Random] = {}
        #: (number of the subscription, message id) of the messages whose ack is late.
        self._acknowledged_late: set[tuple[int, int]] = set()

    def prepare(self, subscription: Subscription, lease: Lease) -> None:
        """Decide whether a new lease is the final attempt, or a delivery of a message with a late ack."""
        policy = subscription.backlog.policy.dead_letter_policy
        if policy is not None and self.injects("early_dead_letter", subscription.name):
            lease.final_attempt = True
        late = (subscription.number, lease.message_id)
        if late in self._acknowledged_late:
            self._acknowledged_late.discard(late)
            lease.acknowledged_late = True

    def intercepts_ack(
        self, subscription: Subscription, lease: Lease, cancel_delivery: CancelDelivery
    ) -> bool:
        """Return whether this ack must be ignored, because it is dropped, late, or causes a duplicate."""
        if not subscription.is_current(lease) or lease.acknowledged_late:
            return False
        if self.injects("drop_ack", subscription.name):
            return True
        if self.injects("late_ack", subscription.name):
            self._acknowledged_late.add((subscription.number, lease.message_id))
            return True
        if not self.injects("duplicate", subscription.name):
            return False
        cancel_delivery(subscription, lease)
        subscription.wake()
        return True

    def injects(self, fault: Fault, subscription: str) -> bool:
        """Return whether to inject this fault into the current event of the subscription."""
        share = self._shares[fault]
        if not share:
            return False
        sequence = self._sequences.get((fault, subscription))
        if sequence is None:
            sequence = Random(f"{self._seed} {fault} {subscription}")  # noqa: S311 - the faults may be predictable
            self._sequences[fault, subscription] = sequence
        if sequence.random() >= share:
            return False
        self.counts[fault] += 1
        _log.info("chaos fault=%s subscription=%s count=%s", fault, subscription, self.counts[fault])
        return True


def _value(name: str, text: str) -> float:
    known = [field.name for field in fields(ChaosOptions)]
    if name not in known:
        raise CannotStart(f"--chaos {name!r} is unknown: use {', '.join(known)}.")
    if name == "delay":
        if not (found := _DURATION.fullmatch(text)):
            raise CannotStart(f"--chaos delay={text} is not a duration, for example 200ms or 1.5s.")
        return float(found[1]) / (1000 if found[2] == "ms" else 1)
    if name == "seed":
        if not text.isdecimal():
            raise CannotStart(f"--chaos seed={text} is not a whole number.")
        return int(text)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise CannotStart(f"--chaos {name}={text} is not a number from 0 to 1.")
    return share
