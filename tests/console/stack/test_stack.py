"""Tests of the local stack, with real processes that are started, killed and stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from console.dispatch import dispatch
from console.errors import StackError, UsageError
from console.stack.process import wait_until_healthy
from console.stack.services import (
    StackOptions,
)
from console.stack.stack import Stack
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from tests.servers.processes import descendant_groups, is_running
from tests.servers.waiting import wait_until

PROCESSES = ("pubsub", "dispatcher", "worker")


def get(url: str) -> requests.Response:
    """Request a page of a local service."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=120)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a running stack that the tests of this module share."""
    with Stack(StackOptions(data=tmp_path_factory.mktemp("stack") / "data")) as running:
        yield running


def test_started_stack_is_healthy(stack: Stack) -> None:
    """When `start` has returned, the services accept requests and the certificates are available."""
    assert get(f"{stack.dispatcher_url}/healthz").status_code == 200
    assert get(f"{stack.worker_url}/healthz").status_code == 200
    assert get(stack.certs_url).json()
    assert stack.environment["PUBSUB_EMULATOR_HOST"] == stack.pubsub_host
    assert stack.environment["GOOGLE_CLOUD_PROJECT"] == stack.project == "scrapeq-local"


def test_outcome_of_a_dispatched_job_is_recorded_in_the_ledger(stack: Stack) -> None:
    """After an attempt at a page whose server does not exist, the ledger has the reason."""
    crawl = Crawl.from_document(
        {
            "name": "refused",
            "run_id": "refused-1",
            "sources": {"urls": ["http://127.0.0.1:9/"]},
            "recipe": {"name": "page", "fields": {"title": {"css": "h1"}}},
        },
        CHECKS,
    )
    assert dispatch(crawl, stack.dispatcher_url, announce=print).published == 1
    wait_until(lambda: stack.ledger.runs() == ["refused-1"] and bool(stack.ledger.failures("refused-1")))
    assert stack.ledger.failures("refused-1")[0].reason == "connect"
    assert stack.ledger.accounting("refused-1").in_flight == 1


def test_killed_worker_stays_down_until_it_is_started(stack: Stack) -> None:
    """`kill` ends the worker's whole process group, and `start_worker` starts a new worker."""
    worker = stack.process("worker")
    worker.kill()
    wait_until(lambda: not is_running(worker.pid))  # its leader has ended, the others are ending
    assert worker.exit_status == -signal.SIGKILL
    stack.start_worker()
    assert get(f"{stack.worker_url}/healthz").status_code == 200


def test_supervise_restarts_a_service_that_has_ended(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """`supervise` restarts a crashed dispatcher, as Cloud Run does, and announces the restart."""
    announced = list[str]()
    monkeypatch.setattr(stack, "announce", announced.append)
    crashed = stack.process("dispatcher")
    os.kill(crashed.pid, signal.SIGKILL)
    wait_until(lambda: crashed.exit_status is not None)

    def is_restarted() -> bool:
        stack.supervise()
        return stack.process("dispatcher") is not crashed

    wait_until(is_restarted)
    assert announced == ["The dispatcher has ended (signal 9); restarting it."]
    wait_until_healthy(stack.process("dispatcher"))


def test_data_directory_in_use_is_refused(stack: Stack) -> None:
    """A second stack with the same data directory does not start, and the first one keeps running."""
    with pytest.raises(UsageError, match="is in use by another `scrapeq up`"):
        Stack(StackOptions(data=stack.options.data)).start()
    assert get(f"{stack.worker_url}/healthz").status_code == 200


def test_end_of_localpubsub_raises_stack_error_with_its_log(tmp_path: Path) -> None:
    """If localpubsub has ended, `supervise` raises an error, and the stack stops all services."""
    with Stack(StackOptions(data=tmp_path)) as stack:
        stack.process("pubsub").kill()
        with pytest.raises(StackError, match=r"The local Pub/Sub has ended \(signal 9\).*pubsub\.log"):
            stack.supervise()
        groups = [stack.process(name).pid for name in PROCESSES]
    wait_until(lambda: not any(map(is_running, groups)))  # their leaders have ended, the others are ending


def test_failed_start_stops_the_other_services(tmp_path: Path) -> None:
    """If a service does not start, the error has the service's log, and the other services are stopped."""
    stack = Stack(StackOptions(data=tmp_path, environment={"PAGE_BUDGET_SECONDS": "1e9"}))
    with pytest.raises(StackError, match="The worker has ended") as caught:
        stack.start()
    assert "PAGE_BUDGET_SECONDS" in str(caught.value)
    wait_until(lambda: not any(is_running(stack.process(name).pid) for name in ("worker", "dispatcher")))


def test_services_end_when_scrapeq_up_is_killed(tmp_path: Path) -> None:
    """After SIGKILL of `scrapeq up` no service keeps running."""
    free = [f"--{name}-port=0" for name in ("pubsub", "pubsub-http", "dispatcher", "worker", "console")]
    with subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--data", str(tmp_path), *free],
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout
        for line in up.stdout:
            if line.startswith("Scrapeq is running"):
                break
        groups = descendant_groups(up.pid) - {os.getpgid(up.pid)}
        assert len(groups) == 5  # four services and the helper that watches them
        up.kill()
    wait_until(lambda: not any(map(is_running, groups)))
