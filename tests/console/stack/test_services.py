"""Tests of the environments and commands of the local services."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from console.stack.addresses import Addresses
from console.stack.services import (
    PUBLISH_SECONDS,
    PUBSUB,
    AckPolicy,
    DeliveryPolicy,
    StackOptions,
    environment_of,
    launches,
    without_loopback_proxies,
)
from worker import settings as worker_settings
from worker.settings import WorkerSettings

ADDRESSES = Addresses("127.0.0.1:8085", *(f"http://127.0.0.1:{port}" for port in (8086, 8081, 8082)))


def environment_for(options: StackOptions, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the services of a stack with these options."""
    return environment_of(options, ADDRESSES, inherited or {})


def test_proxies_are_not_used_for_the_loopback_interface() -> None:
    """The environment keeps the shell's proxy, and adds the loopback interface to `no_proxy`."""
    shell = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "intranet"}
    environment = without_loopback_proxies(shell)
    assert environment["HTTPS_PROXY"] == "http://proxy:3128"
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert without_loopback_proxies({})["no_proxy"] == "127.0.0.1,localhost"


def test_environment_has_the_ack_policy(tmp_path: Path) -> None:
    """The options of the stack set ACK_POLICY of the services."""
    options = StackOptions(data=tmp_path)
    assert environment_for(options)["ACK_POLICY"] == "success"
    assert environment_for(replace(options, ack_policy=AckPolicy.SETTLED))["ACK_POLICY"] == "settled"


def test_worker_counts_the_attempts_if_jobs_are_settled(tmp_path: Path) -> None:
    """With `settled` the options set the worker's limits, and Pub/Sub's own limit is 100 deliveries."""
    delivery = DeliveryPolicy(max_delivery_attempts=7, minimum_backoff_seconds=3, maximum_backoff_seconds=44)
    success = StackOptions(data=tmp_path, delivery=delivery)
    settled = replace(success, ack_policy=AckPolicy.SETTLED)
    environment = environment_for(settled)
    limits = ("MAX_ATTEMPTS", "RETRY_MINIMUM_BACKOFF_SECONDS", "RETRY_MAXIMUM_BACKOFF_SECONDS")
    assert [environment[name] for name in limits] == ["7", "3", "44"]
    assert success.subscription_policy == delivery
    assert settled.subscription_policy == replace(delivery, max_delivery_attempts=100)


def test_localpubsub_pushes_no_more_than_the_worker_takes(tmp_path: Path) -> None:
    """Localpubsub has at most as many open pushes as the worker's processes take together."""
    options = StackOptions(data=tmp_path)
    environment = environment_for(options)
    command = launches(options, ADDRESSES, environment)[PUBSUB].command
    assert command[command.index("--max-outstanding") + 1] == environment["CONCURRENCY"] == "400"


def test_environment_allows_fetches_from_the_loopback_interface(tmp_path: Path) -> None:
    """FETCH_ALLOW_NETWORKS contains the loopback networks and the networks that the user allows."""
    options = StackOptions(data=tmp_path)
    loopback = environment_for(options)["FETCH_ALLOW_NETWORKS"]
    assert loopback == "127.0.0.0/8,::1/128"
    inherited = {"FETCH_ALLOW_NETWORKS": "10.0.0.0/8"}
    assert environment_for(options, inherited)["FETCH_ALLOW_NETWORKS"] == f"10.0.0.0/8,{loopback}"


def test_environment_refuses_fetches_from_the_own_services(tmp_path: Path) -> None:
    """FETCH_REFUSE_PORTS contains the ports of the stack's services and the ports that the user refuses."""
    options = StackOptions(data=tmp_path)
    own = environment_for(options)["FETCH_REFUSE_PORTS"]
    assert own == "8085,8086,8081,8082"
    assert environment_for(options, {"FETCH_REFUSE_PORTS": "22"})["FETCH_REFUSE_PORTS"] == f"22,{own}"


def time_limits(
    data: Path, deadline: int, inherited: Mapping[str, str] | None = None
) -> tuple[str, str, WorkerSettings]:
    """Return page budget and wait budget for an ack deadline, all in seconds, and the worker's settings."""
    delivery = DeliveryPolicy(ack_deadline_seconds=deadline)
    environment = environment_for(StackOptions(data=data, delivery=delivery), inherited)
    settings = WorkerSettings.model_validate({name.lower(): value for name, value in environment.items()})
    return environment["PAGE_BUDGET_SECONDS"], environment["WAIT_BUDGET_SECONDS"], settings


@pytest.mark.parametrize("deadline", [10, 11, 30, 60, 599, 600])
def test_timeouts_are_below_the_ack_deadline(tmp_path: Path, deadline: int) -> None:
    """For every ack deadline the worker accepts the time limits, which use all of the request's time."""
    _, _, settings = time_limits(tmp_path, deadline)
    used = settings.wait_budget_seconds + settings.page_budget_seconds + PUBLISH_SECONDS
    assert used == settings.request_timeout_seconds < deadline
    assert PUBLISH_SECONDS == worker_settings.PUBLISH_SECONDS


@pytest.mark.parametrize(
    ("deadline", "page", "wait"), [(10, "3", "1"), (60, "37", "13"), (120, "40", "65"), (600, "40", "525")]
)
def test_most_of_a_long_ack_deadline_is_for_waiting(
    tmp_path: Path, deadline: int, page: str, wait: str
) -> None:
    """A page has up to 40 s, and the rest of the time is for waiting, in seconds."""
    assert time_limits(tmp_path, deadline)[:2] == (page, wait)


@pytest.mark.parametrize(("page", "wait"), [("100", "465"), ("0.5", "564.5")])
def test_longer_page_budget_shortens_the_wait(tmp_path: Path, page: str, wait: str) -> None:
    """If PAGE_BUDGET_SECONDS is set, WAIT_BUDGET_SECONDS is what remains of the request's time."""
    assert time_limits(tmp_path, 600, {"PAGE_BUDGET_SECONDS": page})[:2] == (page, wait)
