"""Sends waves of jobs through the system, and records what its services use."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests

from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.chaos.site import SiteClient, running_chaos_site
from tests.journey.chaos.system import DELIVERY, RECIPE, SETTINGS
from tests.journey.soak.trend import MIN_MEASUREMENTS
from tests.journey.soak.usage import Usage, usage_of
from tests.servers.waiting import MAX_WAIT_SECONDS

SERVICES = ("pubsub", "dispatcher", "worker")
POISON_EVERY = 20  #: each page whose number is a multiple of this does not exist
QUEUED_JOBS = 100  #: a further wave is dispatched when fewer jobs than this are in flight
POLL_SECONDS = 0.5

#: Called with the seconds since the beginning and the number of jobs that have ended.
Show = Callable[[float, int], None]


@dataclass
class Soak:
    """What was measured.

    Attributes:
        seconds: seconds between two measurements.
        jobs: number of jobs that have ended.
        lost: number of jobs that have neither succeeded nor died at the end.
        times: when each measurement was made, UTC.
        usage: what each service used, at each time.
    """

    seconds: float
    jobs: int = 0
    lost: int = 0
    times: list[datetime] = field(default_factory=list)
    usage: dict[str, list[Usage]] = field(default_factory=lambda: {name: [] for name in SERVICES})

    def series(self, kind: str) -> dict[str, list[float]]:
        """Return the values of `memory`, `descriptors` or `threads` of each service."""
        return {name: [float(getattr(each, kind)) for each in found] for name, found in self.usage.items()}


def soak(data: Path, minutes: float, seconds: float, wave: int, show: Show) -> Soak:
    """Keep a stack busy, and measure it.

    Args:
        data: a directory for the queue, the ledger and the logs.
        minutes: how long jobs are dispatched; longer, if there are too few measurements to judge them.
        seconds: seconds between two measurements.
        wave: number of jobs that are dispatched at a time.
        show: called after each measurement.
    """
    measured = Soak(seconds)
    options = StackOptions(
        data=data, delivery=DELIVERY, ack_policy=AckPolicy.SETTLED, concurrency=100, environment=SETTINGS
    )
    with running_chaos_site(seed=0, seconds=0.005) as site, Stack(options) as stack:
        began = next_at = time.monotonic()
        waves = 0
        while time.monotonic() < began + minutes * 60 or len(measured.times) < MIN_MEASUREMENTS:
            if _open_jobs(stack, waves * wave) < QUEUED_JOBS:
                _dispatch(stack, site, waves, wave)
                waves += 1
            if time.monotonic() >= next_at:
                next_at += seconds
                measured.times.append(datetime.now(UTC))
                for name in SERVICES:
                    measured.usage[name].append(usage_of(stack.process(name).pid))
                show(time.monotonic() - began, stack.ledger.accounting().ended)
            time.sleep(POLL_SECONDS)
        until = time.monotonic() + MAX_WAIT_SECONDS
        while _open_jobs(stack, waves * wave) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        measured.jobs = stack.ledger.accounting().ended
        measured.lost = _open_jobs(stack, waves * wave)
    return measured


def _open_jobs(stack: Stack, dispatched: int) -> int:
    return dispatched - stack.ledger.accounting().ended


def _dispatch(stack: Stack, site: SiteClient, number: int, wave: int) -> None:
    numbers = range(number * wave, (number + 1) * wave)
    urls = [site.url(f"/{'page' if each % POISON_EVERY else 'missing'}/{each}") for each in numbers]
    crawl = {
        "name": f"wave-{number}",
        "sources": {"urls": urls},
        "recipe": RECIPE,
        "limits": {"max_jobs": wave},
    }
    response = requests.post(stack.dispatcher_url, json=crawl, timeout=MAX_WAIT_SECONDS)
    response.raise_for_status()
    assert response.json()["published"] == wave, response.text
