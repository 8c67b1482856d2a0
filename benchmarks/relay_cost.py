"""Measure the relay's processor time for a message beside localpubsub's for a push.

Run `python -m benchmarks.relay_cost`. Both deliver a backlog of messages of 1 KB to an endpoint that answers
after 10 ms. localpubsub has stored the messages before; its time includes reading and deleting them.
The rounds alternate, because the speed of a machine changes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pika
import requests
from google.pubsub_v1.types import PushConfig

from benchmarks.peers.processes import Launcher, cpu_seconds
from benchmarks.peers.servers import RABBITMQ, rabbitmq_node
from benchmarks.pubsub import DATA, endpoint, topic_with_subscription
from benchmarks.pubsub_process import started
from console.stack.ports import free_port
from console.stack.process import ProcessWatcher
from publishing.publisher import Message
from publishing.rabbitmq.publisher import RabbitMqPublisher

TIMEOUT_SECONDS = 300
WINDOW = 100  #: maximum number of open pushes of both


def wait_for_pushes(url: str, count: int) -> None:
    """Wait until an endpoint has received so many pushes."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while pushes(url) < count:
        if time.monotonic() > until:
            sys.exit(f"not {count} pushes in {TIMEOUT_SECONDS} s")
        time.sleep(0.05)


def push_microseconds(messages: int) -> float:
    """Return the microseconds of processor time that localpubsub spends on a push."""
    options = ("--max-outstanding", str(WINDOW))
    with (
        tempfile.TemporaryDirectory() as data,
        started("localpubsub", Path(data), *options) as server,
        endpoint(0.01) as url,
        topic_with_subscription(server, "cost") as topic,
    ):
        topic.publish(messages)
        before = cpu_seconds([server.process.pid])
        topic.subscriber.modify_push_config(
            subscription=topic.subscription, push_config=PushConfig(push_endpoint=url)
        )
        wait_for_pushes(url, messages)
        time.sleep(0.5)  # the last deletions
        return 1e6 * (cpu_seconds([server.process.pid]) - before) / messages


def relay_microseconds(url: str, messages: int) -> float:
    """Return the microseconds of processor time that the relay spends on a message.

    Args:
        url: BROKER_URL of a RabbitMQ whose queues are empty.
        messages: number of messages.
    """
    publisher = RabbitMqPublisher(url, "scrape-jobs", timeout_seconds=TIMEOUT_SECONDS)
    confirmed = list(publisher.publish_all(Message(DATA, {}) for _ in range(messages)))
    publisher.close()
    assert all(isinstance(each, str) for each in confirmed)
    with endpoint(0.01) as worker:
        command = [sys.executable, "-m", "relay", "--endpoint", worker, "--port", str(free_port())]
        environment = {**os.environ, "BROKER_URL": url}
        with subprocess.Popen([*command, "--window", str(WINDOW)], env=environment) as relay:
            wait_for_pushes(worker, 1)
            before, seen = cpu_seconds([relay.pid]), pushes(worker)
            wait_for_pushes(worker, messages)
            time.sleep(0.5)  # the last acknowledgements
            used = cpu_seconds([relay.pid]) - before
            relay.terminate()
    return 1e6 * used / (messages - seen)


def pushes(url: str) -> int:
    """Return the number of pushes that an endpoint has received."""
    return int(requests.get(url, timeout=TIMEOUT_SECONDS).text)


def main() -> None:
    """Measure both in turn, and print the medians and their ratio."""
    options = argparse.ArgumentParser(description="processor time of the relay and of localpubsub's pushes")
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    ours, theirs = list[float](), list[float]()
    with (
        tempfile.TemporaryDirectory() as data,
        ProcessWatcher() as watcher,
        Launcher(Path(data), watcher) as launcher,
    ):
        node = rabbitmq_node(Path(data) / "rabbitmq")
        launcher.start([str(RABBITMQ)], node.environment)
        node.wait(launcher)
        _create(node.url)
        for _ in range(chosen.rounds):
            theirs.append(push_microseconds(chosen.messages))
            ours.append(relay_microseconds(node.url, chosen.messages))
    print(
        f"localpubsub: {median(theirs):.0f} µs for a push, relay: {median(ours):.0f} µs for a message,"
        f" ratio {median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}"
    )


def _create(url: str) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            pika.BlockingConnection(pika.URLParameters(url)).close()
        except pika.exceptions.AMQPError:
            time.sleep(0.2)
        else:
            break
    environment = {**os.environ, "BROKER_URL": url}
    subprocess.run([sys.executable, "-m", "relay", "--create"], env=environment, check=True)


if __name__ == "__main__":
    main()
