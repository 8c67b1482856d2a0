"""What can go wrong on the real service, switched on: seeded, so that a run which failed can be repeated.

Pub/Sub delivers at least once (https://cloud.google.com/pubsub/docs/subscription-overview#at-least-once-delivery)
and counts attempts on a best-effort basis (proto: DeadLetterPolicy.max_delivery_attempts): a subscriber that
was never shown either has not been tested. No switch ever loses a message.
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
Switch = Literal["duplicate", "drop_ack", "early_dead_letter"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")

_log = logging.getLogger("localpubsub.broker.chaos")


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """How often what goes wrong; ``parse`` reads the command line's form."""

    duplicate: float = 0.0  #: share of acks after which the message is delivered once more all the same
    drop_ack: float = 0.0  #: share of acks that are not heard: the message comes again after its deadline
    early_dead_letter: float = 0.0  #: share of deliveries taken for the last, with a dead-letter policy
    delay: float = 0.0  #: seconds between the confirmation of a publish and its first delivery
    seed: int = 0  #: the same seed and the same sequence of events fail in the same places

    @classmethod
    def parse(cls, text: str) -> "ChaosOptions":
        """From ``duplicate=0.05,drop_ack=0.02,delay=200ms,early_dead_letter=0.01,seed=7``; CannotStart."""
        found: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.strip().partition("=")
            found[name] = _value(name, value)
        seed = int(found.pop("seed", 0))
        return cls(**found, seed=seed)


class Chaos:
    """Decides, event by event. Every subscription has its own sequence, so that none disturbs another's."""

    def __init__(self, options: ChaosOptions) -> None:
        self.delay = options.delay  #: seconds
        self.counts: Counter[str] = Counter()  #: switch → how often it struck
        self._seed = options.seed
        self._shares: dict[Switch, float] = {
            "duplicate": options.duplicate,
            "drop_ack": options.drop_ack,
            "early_dead_letter": options.early_dead_letter,
        }
        self._sequences: dict[tuple[Switch, str], Random] = {}

    def ends_early(self, subscription: Subscription) -> bool:
        """Whether this delivery is taken for the last before its time, should it fail."""
        policy = subscription.backlog.policy.dead_letter_policy
        return policy is not None and self.strikes("early_dead_letter", subscription.name)

    def misses_ack(self, subscription: Subscription, lease: Lease, cancel_delivery: CancelDelivery) -> bool:
        """Whether this ack goes wrong: unheard until the deadline, or followed by one more delivery."""
        if subscription.backlog.find_lease(lease.message_id, lease.attempt) is not lease:
            return False
        if self.strikes("drop_ack", subscription.name):
            return True
        if not self.strikes("duplicate", subscription.name):
            return False
        cancel_delivery(subscription, lease)
        subscription.wake()
        return True

    def strikes(self, switch: Switch, subscription: str) -> bool:
        """Whether this event of the subscription is one that goes wrong."""
        share = self._shares[switch]
        if not share:
            return False
        sequence = self._sequences.get((switch, subscription))
        if sequence is None:
            sequence = Random(f"{self._seed} {switch} {subscription}")  # noqa: S311 - no secret
            self._sequences[switch, subscription] = sequence
        if sequence.random() >= share:
            return False
        self.counts[switch] += 1
        _log.info("chaos switch=%s subscription=%s count=%s", switch, subscription, self.counts[switch])
        return True


def _value(name: str, text: str) -> float:
    known = [field.name for field in fields(ChaosOptions)]
    if name not in known:
        raise CannotStart(f"--chaos does not know {name!r}: it takes {', '.join(known)}.")
    if name == "delay":
        if not (found := _DURATION.fullmatch(text)):
            raise CannotStart(f"--chaos delay={text} is no duration: write 200ms or 1.5s.")
        return float(found[1]) / (1000 if found[2] == "ms" else 1)
    if name == "seed":
        if not text.isdecimal():
            raise CannotStart(f"--chaos seed={text} is no seed: write a whole number.")
        return int(text)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise CannotStart(f"--chaos {name}={text} is no share: write a number from 0 to 1.")
    return share
