"""Draws the faults of a run and injects them."""

import random
from dataclasses import dataclass
from typing import Final

from simulation.messages import PublishFault
from simulation.scheduler import START
from simulation.sites import Trouble, TroubleKind

HORIZON = 400.0  #: faults begin in this many seconds after the start of a run
TOPICS: Final = ("outcomes", "jobs", "dead_letters")
PUBLISH_FAULTS: Final[tuple[PublishFault, ...]] = ("refused", "slow", "lying", "doubled")

#: Every kind of fault. Those of topics are `<topic>_<what is wrong>`.
KINDS: Final = (
    "worker_killed",
    "scaled_in",
    "deploy",
    "broker_killed",
    "lost_acks",
    "late_responses",
    "duplicate_pushes",
    "redelivered_acks",
    "disk_full",
    "seek",
    "clocks_50_ms",
    "clocks_1_hour",
    "dispatched_twice",
    *(f"{topic}_{fault}" for topic in TOPICS for fault in PUBLISH_FAULTS),
)
#: Longest time (seconds) for which publishing to a topic fails, and in which the broker is down. Ten
#: deliveries of a message take at least 2,430 s of backoff, so with ACK_POLICY=success several such faults
#: end no job.
MAX_SECONDS = 120.0


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: one of `KINDS`.
        start: when it begins, seconds since the epoch.
        seconds: how long it lasts; 0 for a fault that has no duration.
        probability: of each message or push to be affected, from 0 to 1.
    """

    kind: str
    start: float
    seconds: float = 0.0
    probability: float = 1.0

    @property
    def end(self) -> float:
        """When it ends, seconds since the epoch."""
        return self.start + self.seconds

    def __str__(self) -> str:
        return (
            f"{self.kind} at {self.start - START:.0f} s for {self.seconds:.0f} s (p={self.probability:.2f})"
        )


def draw_faults(rng: random.Random) -> list[Fault]:
    """Return faults of at least three kinds."""
    kinds = rng.sample(KINDS, rng.randint(3, 6))
    return [fault for kind in kinds for fault in _draw(kind, rng)]


def _draw(kind: str, rng: random.Random) -> list[Fault]:

    def begins() -> float:
        return START + rng.uniform(2.0, HORIZON)

    if kind in {"clocks_50_ms", "clocks_1_hour", "dispatched_twice"}:
        return [Fault(kind, START)]
    if kind in {"worker_killed", "scaled_in", "seek"}:
        return [Fault(kind, begins()) for _ in range(rng.randint(1, 3))]
    if kind == "deploy":
        return [Fault(kind, begins()) for _ in range(rng.randint(1, 2))]
    if kind == "broker_killed":
        return [Fault(kind, begins(), rng.uniform(1.0, 60.0))]
    if kind in {"lost_acks", "late_responses", "duplicate_pushes", "redelivered_acks"}:
        return [Fault(kind, begins(), rng.uniform(10.0, 300.0), rng.choice([0.05, 0.2, 0.5]))]
    return [Fault(kind, begins(), rng.uniform(5.0, MAX_SECONDS), rng.choice([0.1, 0.5, 1.0]))]


def draw_troubles(rng: random.Random, longest_retry_after: float) -> list[Trouble]:
    """Return the times in which one site is out of order; most sites have none.

    Args:
        rng: the source of random choices.
        longest_retry_after: the longest Retry-After that a site may send, seconds.
    """
    if rng.random() < 0.55:
        return []
    kind: TroubleKind = rng.choice(["outage", "hang", "throttle", "throttle", "throttle", "unresolved"])
    start = START + rng.uniform(0.0, HORIZON / 2)
    if kind != "throttle":
        return [Trouble(kind, start, start + rng.uniform(20.0, 240.0))]
    seconds = min(rng.choice([0.0, 10.0, 60.0, 300.0, 1200.0, 7200.0]), longest_retry_after)
    # A site that names a time serves pages again when it has come.
    end = start + (rng.uniform(1.0, seconds) if seconds else rng.uniform(5.0, 60.0))
    return [Trouble(kind, start, end, float(round(seconds)), rng.random() < 0.3)]
