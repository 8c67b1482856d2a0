"""Runs a dispatcher and a worker on the official Pub/Sub emulator.

The emulator writes no rows into a ledger, so the tests pull the outcomes.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from console.stack.addresses import Addresses
from console.stack.ports import allocate_ports
from console.stack.process import Process, ProcessWatcher, stop_all, wait_until_healthy
from console.stack.pubsub_setup import prepare_topology, subscriber_client, subscription_path
from console.stack.services import DISPATCHER, WORKER, StackOptions, environment_of, launches
from contract.topology import LEDGER_SUBSCRIPTIONS, OUTCOMES_TOPIC
from tests.journey.dispatching import MANY_ATTEMPTS
from tests.servers.waiting import MAX_WAIT_SECONDS


@contextmanager
def services_on(pubsub_host: str, data: Path) -> Iterator[str]:
    """Run a dispatcher and a worker on the emulator until the context ends; yield the dispatcher's URL."""
    (data / "logs").mkdir(parents=True)
    # The emulator does not sign its pushes, so the services cannot authenticate them.
    options = StackOptions(data=data, delivery=MANY_ATTEMPTS, environment={"PUSH_AUTH": "none"})
    addresses = replace(Addresses.at(allocate_ports(options.wanted_ports())), pubsub_host=pubsub_host)
    commands = launches(options, addresses, environment_of(options, addresses, os.environ))
    with ProcessWatcher() as watcher:
        processes = [Process(commands[name], watcher) for name in (DISPATCHER, WORKER)]
        try:
            for process in processes:
                wait_until_healthy(process)
            # The emulator accepts BigQuery subscriptions and treats them as pull subscriptions.
            prepare_topology(pubsub_host, f"{addresses.worker_url}/", options.delivery)
            yield addresses.dispatcher_url
        finally:
            stop_all(processes, grace_seconds=3)


def pull_outcomes(
    pubsub_host: str, run_id: str, urls: set[str], seconds: float = MAX_WAIT_SECONDS
) -> list[dict[str, Any]]:
    """Pull and return outcomes of a run until each of `urls` has succeeded; fail after `seconds`."""
    subscription = subscription_path(LEDGER_SUBSCRIPTIONS[OUTCOMES_TOPIC])
    outcomes = list[dict[str, Any]]()
    until = time.monotonic() + seconds
    with subscriber_client(pubsub_host) as subscriber:
        while missing := urls - {each["url"] for each in outcomes if each["outcome"] == "succeeded"}:
            assert time.monotonic() < until, (
                f"{len(missing)} URLs did not succeed within {seconds} s: {missing}"
            )
            messages = subscriber.pull(
                subscription=subscription, max_messages=500, timeout=120, retry=None
            ).received_messages
            if messages:
                ack_ids = [each.ack_id for each in messages]
                subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids, timeout=10, retry=None)
            documents = [json.loads(each.message.data) for each in messages]
            outcomes += [each for each in documents if each["run_id"] == run_id]
    return outcomes
