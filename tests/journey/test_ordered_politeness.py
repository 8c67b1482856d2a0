"""Politeness across instances: four worker processes that share nothing, and hosts that count."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from console.ledger.sqlite_views import table
from console.stack.services import AckPolicy, DeliveryPolicy, Politeness, StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.counting_hosts import Hosts, serving_hosts

PROCESSES = 4
PAGES = 12  #: of each host


@contextmanager
def running(data: Path, politeness: Politeness) -> Iterator[Stack]:
    """Run a stack with four worker processes; what they know of each other is nothing."""
    policy = DeliveryPolicy(politeness=politeness, max_delivery_attempts=100)
    options = StackOptions(
        data=data, delivery=policy, worker_processes=PROCESSES, ack_policy=AckPolicy.SETTLED
    )
    with Stack(options) as stack:
        yield stack


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Hosts whose pages are held until they are let go; enough of them that no one process gets them all."""
    with serving_hosts(8) as hosts:
        yield hosts


def urls(hosts: Hosts) -> list[str]:
    """Return all pages, host after host: the first jobs that are pushed would be one host's."""
    return [url for host in hosts.urls for url in hosts.pages(host, PAGES)]


@pytest.mark.parametrize("per_host", [1, 2])
def test_a_host_never_sees_more_than_per_host_however_many_workers_run(
    tmp_path: Path, hosts: Hosts, per_host: int
) -> None:
    """Jobs with one key are out one at a time, for all processes together; other hosts go on beside them."""
    with running(tmp_path / "data", Politeness.ORDERED) as stack:
        # When many pages of many hosts are dispatched
        told = dispatch(stack, urls(hosts), politeness={"per_host": per_host})
        # Then hosts are asked at the same time, as often as they may be
        hosts.await_open(
            lambda: len(hosts.open) > 1 and max(hosts.open.values()) == per_host,
            f"hosts have {per_host} requests open",
        )
        # And when the pages are let go, none ever more often
        hosts.release()
        accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded == len(urls(hosts)))
        assert (accounting.dead, accounting.in_flight) == (0, 0)
        assert max(hosts.peak.values()) == per_host
        # And by more than one process
        assert len(workers_of(stack, told["run_id"])) > 1


def test_without_ordering_the_same_host_sees_more(tmp_path: Path, hosts: Hosts) -> None:
    """The control: the counts above are the ordering's doing, and would show its absence."""
    with running(tmp_path / "data", Politeness.INSTANCE) as stack:
        told = dispatch(stack, urls(hosts), politeness={"per_host": 1})
        hosts.await_open(lambda: max(hosts.open.values(), default=0) > 2, "a host has three requests open")
        hosts.release()
        await_accounting(stack, told["run_id"], lambda now: now.succeeded == len(urls(hosts)))
        assert max(hosts.peak.values()) > 2


def workers_of(stack: Stack, run_id: str) -> set[str]:
    """Return the processes that scraped a run's pages."""
    with closing(sqlite3.connect(stack.ledger.path)) as ledger:
        rows = ledger.execute(f"SELECT DISTINCT worker FROM {table('outcomes')} WHERE run_id = ?", (run_id,))  # noqa: S608 - our own table
        return {worker for (worker,) in rows}
