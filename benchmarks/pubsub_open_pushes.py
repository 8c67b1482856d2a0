"""Measure the memory of many open pushes: `python -m benchmarks.pubsub_open_pushes`.

The endpoint acknowledges each push after some seconds, so that the window grows to its maximum and is full.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from google.pubsub_v1.types import PushConfig

from benchmarks.pubsub import endpoint, topic_with_subscription
from benchmarks.pubsub_process import started
from console.stack.ports import free_port

TIMEOUT_SECONDS = 300


def outstanding(http_port: int) -> int:
    """Return the number of outstanding messages of the only subscription."""
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/state.json") as response:
        (subscription,) = json.load(response)["subscriptions"]
    return int(subscription["outstanding"])


def measure(pushes: int, delay: float) -> tuple[float, float, float]:
    """Return the MiB of localpubsub before the first push, with the backlog, and with all pushes open.

    Args:
        pushes: maximum number of open pushes; four times as many messages of 1 KB are published.
        delay: seconds until the endpoint responds to a push.
    """
    http_port = free_port()
    options = ("--http-port", str(http_port), "--max-outstanding", str(pushes))
    with (
        tempfile.TemporaryDirectory() as data,
        started("localpubsub", Path(data), *options) as server,
        endpoint(delay) as url,
        topic_with_subscription(server, "open") as topic,
    ):
        before = server.memory()
        topic.publish(pushes * 4)
        backlog = server.memory()
        topic.subscriber.modify_push_config(
            subscription=topic.subscription, push_config=PushConfig(push_endpoint=url)
        )
        until = time.monotonic() + TIMEOUT_SECONDS
        while outstanding(http_port) < pushes:
            if time.monotonic() > until:
                sys.exit(f"only {outstanding(http_port)} pushes are open after {TIMEOUT_SECONDS} s")
            time.sleep(0.1)
        return before, backlog, server.memory()


def main() -> None:
    """Measure and print the three numbers."""
    options = argparse.ArgumentParser(description="memory of localpubsub with many open pushes")
    options.add_argument("--pushes", type=int, default=3000)
    options.add_argument("--delay", type=float, default=5.0, help="seconds until the endpoint responds")
    chosen = options.parse_args()
    before, backlog, full = measure(chosen.pushes, chosen.delay)
    print(
        f"before: {before:.1f} MiB, with {chosen.pushes * 4:,} messages: {backlog:.1f} MiB, "
        f"with {chosen.pushes:,} open pushes: {full:.1f} MiB"
    )


if __name__ == "__main__":
    main()
