"""Tests of `politeness.per_host` with four workers, and with hosts that count their open requests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from console.ledger.sqlite_views import table
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.counting_hosts import Hosts, serving_hosts
from tests.servers.worker_fleet import worker_fleet

INSTANCES = 4
PAGES_PER_HOST = 12


@contextmanager
def running_stack(data: Path) -> Iterator[Stack]:
    """Run a stack with four instances of the worker, whose connections are given to each in turn."""
    policy = DeliveryPolicy(max_delivery_attempts=100)
    options = StackOptions(data=data, delivery=policy, worker_processes=1, ack_policy=AckPolicy.SETTLED)
    with Stack(options) as stack, worker_fleet(stack, INSTANCES):
        yield stack


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Yield hosts that delay their responses until `release`: enough hosts for several worker processes."""
    with serving_hosts(8) as hosts:
        yield hosts


def urls_of(hosts: Hosts) -> list[str]:
    """Return the URLs of all pages, host after host, so that the first jobs belong to one host."""
    return [url for host in hosts.urls for url in hosts.pages(host, PAGES_PER_HOST)]


@pytest.mark.parametrize("per_host", [1, 2])
def test_per_host_is_kept_over_all_worker_processes(tmp_path: Path, hosts: Hosts, per_host: int) -> None:
    """With `per_host` a host never has more than `per_host` open requests of all workers together."""
    urls = urls_of(hosts)
    with running_stack(tmp_path / "data") as stack:
        # When many pages of many hosts are dispatched
        run_id = dispatch(stack.dispatcher_url, urls, politeness={"per_host": per_host})
        # Then several hosts have open requests at the same time, and one of them has the maximum
        hosts.await_open(
            lambda: len(hosts.open) > 1 and max(hosts.open.values()) == per_host,
            f"hosts have {per_host} open requests",
        )
        # And when the pages are released and scraped, no host has ever had more open requests
        hosts.release()
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded == len(urls))
        assert (accounting.dead, accounting.in_flight) == (0, 0)
        assert max(hosts.peak.values()) == per_host
        # And several instances sent the requests
        assert len(workers_of(stack, run_id)) > 1


def test_host_without_per_host_gets_many_requests_at_the_same_time(tmp_path: Path, hosts: Hosts) -> None:
    """This is the control: without `per_host`, a host gets more than two open requests."""
    urls = urls_of(hosts)
    with running_stack(tmp_path / "data") as stack:
        run_id = dispatch(stack.dispatcher_url, urls)
        hosts.await_open(lambda: max(hosts.open.values(), default=0) > 2, "a host has three open requests")
        hosts.release()
        await_accounting(stack, run_id, lambda now: now.succeeded == len(urls))
        assert max(hosts.peak.values()) > 2


def workers_of(stack: Stack, run_id: str) -> set[str]:
    """Return the worker processes that scraped the pages of a run."""
    with closing(sqlite3.connect(stack.ledger.path)) as ledger:
        rows = ledger.execute(f"SELECT DISTINCT worker FROM {table('outcomes')} WHERE run_id = ?", (run_id,))  # noqa: S608 - a constant
        return {worker for (worker,) in rows}
