"""Tests of the processes of a stack on another broker than Pub/Sub."""

import os
from pathlib import Path

import pytest

from console.errors import StackError
from console.stack.addresses import Addresses
from console.stack.broker_services import (
    LEDGER_WRITER,
    RELAY,
    SHARDS_RELAY,
    broker_launches,
    create_queues,
)
from console.stack.ports import allocate_ports, free_port
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions, environment_of, launches
from relay.options import parse

URL = "amqp://user:secret@127.0.0.1:5999/"


def stack_with_broker(data: Path, ack_policy: AckPolicy) -> tuple[StackOptions, Addresses]:
    """Return the options and addresses of a stack with a broker."""
    delivery = DeliveryPolicy(
        ack_deadline_seconds=60,
        max_delivery_attempts=7,
        minimum_backoff_seconds=0,
        maximum_backoff_seconds=9,
    )
    options = StackOptions(data=data, delivery=delivery, ack_policy=ack_policy, broker=URL)
    return options, Addresses.at(allocate_ports(options.wanted_ports()), URL)


@pytest.mark.parametrize(("ack_policy", "attempts"), [(AckPolicy.SUCCESS, 7), (AckPolicy.SETTLED, 100)])
def test_relays_get_the_policy_of_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ack_policy: AckPolicy, attempts: int
) -> None:
    """The relay accepts its arguments; they have the stack's delivery policy and its services' addresses."""
    options, addresses = stack_with_broker(tmp_path, ack_policy)
    environment = environment_of(options, addresses, {})
    found = broker_launches(options, addresses, environment)
    monkeypatch.setenv("BROKER_URL", found[RELAY].environment["BROKER_URL"])
    jobs, shards = (parse(list(found[name].command[3:])) for name in (RELAY, SHARDS_RELAY))
    assert (jobs.endpoint, shards.endpoint) == (
        f"{addresses.worker_url}/",
        f"{addresses.dispatcher_url}/shards",
    )
    for relay in (jobs, shards):
        assert relay.broker_url == URL
        assert (relay.min_backoff, relay.max_backoff, relay.max_attempts) == (0, 9, attempts)
        assert relay.ack_deadline == 60
        assert relay.window == options.concurrency
        assert (relay.service_account, relay.audience) == (
            environment["PUSH_SERVICE_ACCOUNT"],
            environment["PUSH_AUDIENCE"],
        )
    assert environment["PUSH_CERTS_URL"] == f"{addresses.relay_url}/oauth2/v1/certs"
    assert jobs.key_directory == shards.key_directory  # the worker and the dispatcher trust one key


def test_a_stack_with_a_broker_runs_no_pubsub(tmp_path: Path) -> None:
    """Nothing of localpubsub is started or named; the services publish to the broker."""
    options, addresses = stack_with_broker(tmp_path, AckPolicy.SUCCESS)
    environment = environment_of(
        options, addresses, {"PUBSUB_EMULATOR_HOST": "x:1", "LEDGER": "bigquery://p/d"}
    )
    assert "pubsub" not in launches(options, addresses, environment)
    assert (environment["PUBSUB_EMULATOR_HOST"], environment["BROKER_URL"]) == ("", URL)
    assert broker_launches(options, addresses, environment)[LEDGER_WRITER].environment["LEDGER"] == ""


def test_the_url_of_the_shell_is_not_used_without_the_option(tmp_path: Path) -> None:
    """Without --broker the services publish to localpubsub, whatever BROKER_URL the shell has."""
    options = StackOptions(data=tmp_path)
    addresses = Addresses.at(allocate_ports(options.wanted_ports()))
    environment = environment_of(options, addresses, {"BROKER_URL": URL})
    assert environment["BROKER_URL"] == ""
    assert broker_launches(options, addresses, environment) == {}


def test_ports_of_the_broker_are_not_fetched_from(tmp_path: Path) -> None:
    """FETCH_REFUSE_PORTS has the ports of the relays and of the broker's server."""
    options, addresses = stack_with_broker(tmp_path, AckPolicy.SUCCESS)
    refused = environment_of(options, addresses, {}, [5672, 4369])["FETCH_REFUSE_PORTS"].split(",")
    relays = [url.rpartition(":")[2] for url in (addresses.relay_url, addresses.shards_relay_url)]
    assert {*relays, "5672", "4369"} <= set(refused)


def test_an_unreachable_broker_is_one_error_without_a_password(tmp_path: Path) -> None:
    """If the queues cannot be created, the error has the broker's address and the reason."""
    port = free_port()
    url = f"amqp://user:secret@127.0.0.1:{port}/"
    options = StackOptions(data=tmp_path, broker=url)
    addresses = Addresses.at(allocate_ports(options.wanted_ports()), url)
    with pytest.raises(StackError, match=rf"could not be created: .*127\.0\.0\.1:{port}") as raised:
        create_queues(options, environment_of(options, addresses, os.environ))
    assert "secret" not in str(raised.value)
    assert "Traceback" not in str(raised.value)
