"""Injects faults into a running system.

Each injection is a generator: it yields while it waits, and is continued a few times a second by the
driver, so that several can take turns in one thread. When the run is over it is closed, and repairs in a
`finally` what it has broken.
"""

import os
import resource
import signal
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from random import Random

from tests.journey.chaos.clock_files import SKEW_SECONDS, set_clock
from tests.journey.chaos.system import System
from tests.servers.processes import descendants

Injection = Callable[[System, Random], Generator[None]]

PAUSE_SECONDS = 2.0  #: seconds between two faults, unless the run progresses faster
LIMITED_FILE_BYTES = 4096  #: bytes that a file of localpubsub may still grow on the full disk


def next_moment(system: System, share: float, seconds: float = PAUSE_SECONDS) -> Generator[None]:
    """Wait until this share of all pages was requested since now, or until some seconds have passed."""
    pages = system.site.pages_requested() + max(1, round(share * system.jobs))
    until = time.monotonic() + seconds
    while time.monotonic() < until and system.site.pages_requested() < pages:
        yield


def first_page(system: System) -> Generator[None]:
    """Wait until the first page was requested."""
    while not system.site.pages_requested():
        yield


def repeated(inject: Injection, seconds: float) -> Injection:
    """Return an injection that repeats another one, with pauses, for some seconds."""

    def again(system: System, chance: Random) -> Generator[None]:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            yield from inject(system, chance)
            until = time.monotonic() + chance.uniform(PAUSE_SECONDS, 6 * PAUSE_SECONDS)
            while time.monotonic() < until:
                yield

    return again


def kill_workers(times: int) -> Injection:
    """Return an injection that kills a worker about every two seconds: one process of it, or all."""

    def inject(system: System, chance: Random) -> Generator[None]:
        yield from first_page(system)
        for _number in range(times):
            worker = system.stack.process("worker")
            inner = sorted(descendants(worker.pid))
            system.injected += 1
            if inner and chance.random() < 0.5:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(chance.choice(inner), signal.SIGKILL)
            else:
                worker.kill()
                system.stack.start_worker()
            yield from next_moment(system, 0.6 / times)

    return inject


def deploy_workers(times: int) -> Injection:
    """Return an injection that stops all processes of the worker by SIGTERM and starts them again."""

    def inject(system: System, _: Random) -> Generator[None]:
        yield from first_page(system)
        for _number in range(times):
            worker = system.stack.process("worker")
            system.injected += 1
            worker.terminate()
            while worker.exit_status is None:
                yield
            system.stack.start_worker()
            yield from next_moment(system, 0.6 / times)

    return inject


def kill_pubsub(times: int) -> Injection:
    """Return an injection that kills localpubsub and starts it again."""

    def inject(system: System, _: Random) -> Generator[None]:
        for _number in range(times):
            yield from next_moment(system, 0.6 / times)
            system.injected += 1
            system.kill_pubsub()

    return inject


def kill_dispatcher(times: int) -> Injection:
    """Return an injection that kills the dispatcher; the trigger is then repeated.

    The first kill meets it while a publish is stored and not confirmed, the others while it reads its file.
    """

    def inject(system: System, chance: Random) -> Generator[None]:
        if system.is_dispatched():
            return
        system.faults.hold_jobs = True
        held = system.faults.counts["held"]
        while system.faults.counts["held"] == held and not system.is_dispatched():
            yield
        system.faults.hold_jobs = False
        system.site.control(holds=[round(system.jobs * chance.uniform(0.2, 0.8)) for _ in range(times - 1)])
        for _number in range(times):
            if system.is_dispatched():
                return
            triggers = system.triggers
            system.injected += 1
            system.stack.process("dispatcher").kill()
            system.stack.start_dispatcher()
            while system.triggers == triggers and not system.is_dispatched():
                yield
            until = time.monotonic() + PAUSE_SECONDS
            while time.monotonic() < until:
                yield

    return inject


def disturb_outcomes(seconds: float) -> Injection:
    """Return an injection that refuses, delays, doubles and does not confirm publishes of outcomes."""

    def inject(system: System, _: Random) -> Generator[None]:
        faults, counted = system.faults, system.faults.counts.total()
        faults.refuse, faults.unconfirmed, faults.twice, faults.slow = 0.2, 0.1, 0.1, 0.1
        try:
            yield from first_page(system)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                yield
            faults.refuse = 1.0  # for a while, no outcome is accepted at all
            yield from next_moment(system, 1.0)
        finally:
            faults.clear()
            system.injected += faults.counts.total() - counted

    return inject


def darken_host(seconds: float) -> Injection:
    """Return an injection that lets half of all pages be unreachable for some seconds."""

    def inject(system: System, _: Random) -> Generator[None]:
        system.site.control(dark=True)
        system.injected += 1
        try:
            yield from first_page(system)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                yield
        finally:
            system.site.control(dark=False)

    return inject


def skew_clocks(seconds: float) -> Injection:
    """Return an injection: the dispatcher's clock is behind, the worker's ahead and then behind."""

    def inject(system: System, _: Random) -> Generator[None]:
        data = system.stack.options.data
        set_clock(data, "dispatcher", -SKEW_SECONDS)
        try:
            yield from first_page(system)
            for offset in (SKEW_SECONDS, -SKEW_SECONDS):
                set_clock(data, "worker", offset)
                system.injected += 1
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    yield
        finally:
            set_clock(data, "worker", 0)

    return inject


def jump_clock(seconds: float, times: int) -> Injection:
    """Return an injection that lets the clock of localpubsub jump forward."""

    def inject(system: System, _: Random) -> Generator[None]:
        yield from first_page(system)
        for _number in range(times):
            system.injected += 1
            system.advance(seconds)
            yield from next_moment(system, 0.6 / times)

    return inject


def fill_disk(times: int, seconds: float = 3.0) -> Injection:
    """Return an injection that lets writes of localpubsub fail, as on a full disk, and then frees the disk.

    RLIMIT_FSIZE limits the files of one process without any privilege (setrlimit(2)).
    """

    def inject(system: System, _: Random) -> Generator[None]:
        for _number in range(times):
            yield from next_moment(system, 0.5 / times)
            pid = system.stack.process("pubsub").pid
            system.injected += 1
            try:
                _limit_files(pid, LIMITED_FILE_BYTES)
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    yield
            finally:
                _limit_files(pid, resource.RLIM_INFINITY)

    return inject


def _limit_files(pid: int, limit: int) -> None:
    with suppress(ProcessLookupError):  # another fault has just killed it
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
