"""Tests the virtual clock, and the replacements of gevent that run under it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation import virtual_gevent
from simulation.scheduler import START, Scheduler


def run(scheduler: Scheduler) -> None:
    """Run all events."""
    scheduler.run(START + 10_000, lambda: False)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.integers(0, 5))
def test_events_run_in_the_order_of_their_times(delays: list[float], seed: int) -> None:
    """Events run in the order of their times, and the clock shows the time of each."""
    scheduler = Scheduler(seed)
    seen: list[tuple[float, float]] = []
    for delay in delays:
        scheduler.after(delay, lambda delay=delay: seen.append((scheduler.now - START, delay)))  # type: ignore[misc]  # a lambda with a default
    run(scheduler)
    assert [when for when, _ in seen] == sorted(when for when, _ in seen)
    assert all(when == pytest.approx(delay, abs=1e-6) for when, delay in seen)


def test_a_sleeping_greenlet_continues_at_its_time() -> None:
    """Two greenlets sleep at the same time, and each continues after its own seconds."""
    scheduler = Scheduler(1)
    seen: list[tuple[str, float]] = []

    def sleeper(name: str, seconds: float) -> None:
        scheduler.sleep(seconds)
        seen.append((name, scheduler.now - START))

    scheduler.spawn(sleeper, "slow", 5.0)
    scheduler.spawn(sleeper, "fast", 2.0)
    run(scheduler)
    assert seen == [("fast", 2.0), ("slow", 5.0)]


def test_a_killed_greenlet_does_not_continue() -> None:
    """A greenlet that is killed while it sleeps runs its `finally`, and nothing else."""
    scheduler = Scheduler(1)
    seen: list[str] = []

    def sleeper() -> None:
        try:
            scheduler.sleep(5.0)
            seen.append("continued")
        finally:
            seen.append("ended")

    task = scheduler.spawn(sleeper)
    scheduler.after(1.0, lambda: scheduler.kill(task))
    run(scheduler)
    assert seen == ["ended"]


def test_an_exception_of_a_greenlet_ends_the_run() -> None:
    """An exception that a greenlet does not handle is raised by `run`, so no fault is hidden."""
    scheduler = Scheduler(1)

    def fails() -> None:
        raise ValueError("a bug")

    scheduler.spawn(fails)
    with pytest.raises(ValueError, match="a bug"):
        run(scheduler)


def test_a_semaphore_is_given_in_the_order_of_the_requests() -> None:
    """Greenlets get the only place of a semaphore one after the other; one gives up after its timeout."""
    scheduler = Scheduler(1)
    virtual_gevent.use(scheduler)
    semaphore = virtual_gevent.Semaphore(1)
    seen: list[tuple[str, bool, float]] = []

    def user(name: str, timeout: float) -> None:
        taken = semaphore.acquire(timeout=timeout)
        seen.append((name, taken, scheduler.now - START))
        if taken:
            scheduler.sleep(10.0)
            semaphore.release()

    for number, (name, timeout) in enumerate([("a", 1.0), ("b", 100.0), ("c", 5.0), ("d", 100.0)]):
        scheduler.spawn(user, name, timeout, delay=float(number))
    run(scheduler)
    assert seen == [("a", True, 0.0), ("c", False, 7.0), ("b", True, 10.0), ("d", True, 20.0)]


def test_a_place_is_not_lost_with_a_killed_greenlet() -> None:
    """If a greenlet is killed after it was given a place, and before it runs, the next one gets the place."""
    scheduler = Scheduler(1)
    virtual_gevent.use(scheduler)
    semaphore = virtual_gevent.Semaphore(0)
    seen: list[str] = []

    def user(name: str) -> None:
        semaphore.acquire()
        seen.append(name)

    first = scheduler.spawn(user, "first")
    scheduler.spawn(user, "second", delay=1.0)

    def release_and_kill() -> None:
        semaphore.release()
        scheduler.kill(first)

    scheduler.after(2.0, release_and_kill)
    run(scheduler)
    assert seen == ["second"]


def test_a_timer_calls_its_function_unless_it_is_closed() -> None:
    """A timer can end a sleep with an exception; a closed timer does nothing."""
    scheduler = Scheduler(1)
    virtual_gevent.use(scheduler)
    seen: list[tuple[str, float]] = []

    def sleeper() -> None:
        loop, this = virtual_gevent.get_hub().loop, virtual_gevent.getcurrent()
        closed, timer = loop.timer(1.0), loop.timer(3.0)
        closed.start(this.throw, ValueError(), update=True)
        timer.start(this.throw, KeyError(), update=True)
        closed.close()
        try:
            virtual_gevent.sleep(10.0)
        except KeyError:
            seen.append(("timer", virtual_gevent.monotonic() - START))

    scheduler.spawn(sleeper)
    run(scheduler)
    assert seen == [("timer", 3.0)]
