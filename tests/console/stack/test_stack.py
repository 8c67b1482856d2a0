"""The local stack: real processes, started and ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from console.dispatch import dispatch
from console.errors import StackError, UsageError
from console.stack.process import wait_until_healthy
from console.stack.services import (
    AckPolicy,
    DeliveryPolicy,
    Politeness,
    StackOptions,
    environment_of,
    without_loopback_proxies,
)
from console.stack.stack import Stack
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from tests.servers.processes import children_of, is_running
from tests.servers.waiting import wait_until

PROCESSES = ("pubsub", "dispatcher", "worker")


def get(url: str) -> requests.Response:
    """Ask a local service."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=120)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a stack on free ports that the tests of this module share."""
    with Stack(StackOptions(data=tmp_path_factory.mktemp("stack") / "data")) as running:
        yield running


def test_every_service_is_healthy_once_the_stack_is_started(stack: Stack) -> None:
    """`start` returns when crawls and pushes are taken, and the certificates are there."""
    assert get(f"{stack.dispatcher_url}/healthz").status_code == 200
    assert get(f"{stack.worker_url}/healthz").status_code == 200
    assert get(stack.certs_url).json()
    assert stack.environment["PUBSUB_EMULATOR_HOST"] == stack.pubsub_host
    assert stack.environment["GOOGLE_CLOUD_PROJECT"] == stack.project == "scrapeq-local"


def test_a_job_goes_all_the_way(stack: Stack) -> None:
    """A dispatched page that nobody serves is tried by the worker, and the ledger tells."""
    crawl = Crawl.from_document(
        {
            "name": "nobody",
            "run_id": "nobody-1",
            "sources": {"urls": ["http://127.0.0.1:9/"]},
            "recipe": {"name": "page", "fields": {"title": {"css": "h1"}}},
        },
        CHECKS,
    )
    assert dispatch(crawl, stack.dispatcher_url, announce=print).published == 1
    wait_until(lambda: stack.ledger.runs() == ["nobody-1"] and bool(stack.ledger.failures("nobody-1")))
    assert stack.ledger.failures("nobody-1")[0].reason == "connect"
    assert stack.ledger.accounting("nobody-1").in_flight == 1


def test_a_killed_worker_stays_dead_until_it_is_started(stack: Stack) -> None:
    """For tests of failures: SIGKILL ends the whole group, and nothing comes back by itself."""
    worker = stack.process("worker")
    worker.kill()
    wait_until(lambda: not is_running(worker.pid))  # its leader is gone, the others are going
    assert worker.exit_status == -signal.SIGKILL
    stack.start_worker()
    assert get(f"{stack.worker_url}/healthz").status_code == 200


def test_tending_restarts_a_service_that_died(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Cloud Run does with an instance that crashed, `scrapeq up` does, and says so."""
    said = list[str]()
    monkeypatch.setattr(stack, "announce", said.append)
    died = stack.process("dispatcher")
    os.kill(died.pid, signal.SIGKILL)
    wait_until(lambda: died.exit_status is not None)

    def is_back() -> bool:
        stack.supervise()
        return stack.process("dispatcher") is not died

    wait_until(is_back)
    assert said == ["The dispatcher has ended (signal 9); restarting it."]
    wait_until_healthy(stack.process("dispatcher"))


def test_a_data_directory_has_one_stack(stack: Stack) -> None:
    """Two queues on the same files would ruin them: the second is refused with a sentence."""
    with pytest.raises(UsageError, match="is in use by another `scrapeq up`"):
        Stack(StackOptions(data=stack.options.data)).start()
    assert get(f"{stack.worker_url}/healthz").status_code == 200


def test_the_end_of_the_queue_is_told_with_its_log(tmp_path: Path) -> None:
    """Without a queue nothing works: that ends the stack with a sentence, and nothing is left running."""
    with Stack(StackOptions(data=tmp_path)) as stack:
        stack.process("pubsub").kill()
        with pytest.raises(StackError, match=r"The local Pub/Sub has ended \(signal 9\).*pubsub\.log"):
            stack.supervise()
        groups = [stack.process(name).pid for name in PROCESSES]
    assert not any(map(is_running, groups))


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where one service does not start, its reason is told and the others are ended."""
    stack = Stack(StackOptions(data=tmp_path, environment={"PAGE_BUDGET_SECONDS": "1e9"}))
    with pytest.raises(StackError, match="The worker has ended") as caught:
        stack.start()
    assert "PAGE_BUDGET_SECONDS" in str(caught.value)
    assert not any(is_running(stack.process(name).pid) for name in ("worker", "dispatcher"))


def test_a_stack_whose_owner_is_killed_ends_by_itself(tmp_path: Path) -> None:
    """SIGKILL, a closed laptop lid, an out-of-memory kill of `scrapeq up`: no service is left behind."""
    free = [f"--{name}-port=0" for name in ("pubsub", "pubsub-http", "dispatcher", "worker")]
    with subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--data", str(tmp_path), *free],
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout
        for line in up.stdout:
            if line.startswith("Scrapeq is running"):
                break
        groups = children_of(up.pid) - {os.getpgid(up.pid)}
        assert len(groups) == 4  # three services, and what holds them
        up.kill()
    wait_until(lambda: not any(map(is_running, groups)))


def test_proxies_are_not_used_on_the_loopback_interface() -> None:
    """A proxy in the shell serves the world outside; the services reach each other directly."""
    shell = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "intranet"}
    given = without_loopback_proxies(shell)
    assert given["HTTPS_PROXY"] == "http://proxy:3128"
    assert given["no_proxy"] == given["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert without_loopback_proxies({})["no_proxy"] == "127.0.0.1,localhost"


def test_the_services_are_told_the_policies(tmp_path: Path) -> None:
    """What the worker acknowledges, and whether the dispatcher gives keys, is the stack's to say."""
    options = StackOptions(data=tmp_path)
    given = environment_of(options, Stack(options).addresses, {})
    assert (given["ACK_POLICY"], given["POLITENESS"]) == ("success", "instance")
    ordered = DeliveryPolicy(politeness=Politeness.ORDERED)
    options = replace(options, ack_policy=AckPolicy.SETTLED, delivery=ordered)
    given = environment_of(options, Stack(options).addresses, {})
    assert (given["ACK_POLICY"], given["POLITENESS"]) == ("settled", "ordered")


def test_this_machine_is_open_to_fetches(tmp_path: Path) -> None:
    """The demo's shop and one's own test sites are here; what the user opens stays open too."""
    options = StackOptions(data=tmp_path)
    addresses = Stack(options).addresses
    opened = environment_of(options, addresses, {})["FETCH_ALLOW_NETWORKS"]
    assert opened == "127.0.0.0/8,::1/128"
    inherited = {"FETCH_ALLOW_NETWORKS": "10.0.0.0/8"}
    assert environment_of(options, addresses, inherited)["FETCH_ALLOW_NETWORKS"] == f"10.0.0.0/8,{opened}"


@pytest.mark.parametrize("deadline", [10, 11, 30, 60, 600])
def test_the_deadlines_are_a_chain(tmp_path: Path, deadline: int) -> None:
    """Page budget < request timeout < ack deadline, for any deadline; the worker insists on it."""
    options = StackOptions(data=tmp_path)
    options = replace(options, delivery=replace(options.delivery, ack_deadline_seconds=deadline))
    given = environment_of(options, Stack(options).addresses, {})
    budget, timeout = int(given["PAGE_BUDGET_SECONDS"]), int(given["REQUEST_TIMEOUT_SECONDS"])
    assert 0 < budget <= timeout - 5
    assert timeout < deadline
