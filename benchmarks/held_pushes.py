"""Measure the memory of held pushes: `python -m benchmarks.held_pushes [--pushes 1000]`.

One worker process receives as many pushes as Cloud Run may give to an instance. None of them gets a page:
each job has a `not_before` in the future, so the worker holds its push.
"""

import argparse
import base64
import http.client
import json
import sys
import time
from datetime import UTC, datetime, timedelta

from benchmarks.worker_class import push_body
from benchmarks.worker_memory import resident_mib
from benchmarks.worker_process import Sender, await_port, worker_dependencies, worker_process
from contract.job import requeued

MAX_PUSHES = 1000  #: Cloud Run's maximum concurrency
SETTLE_SECONDS = 5  #: time in which the worker reads the last pushes


def held_push(number: int) -> bytes:
    """Return the body of a push that the worker holds, with a message id of its own."""
    push = json.loads(push_body(f"http://127.0.0.1/{number}"))
    not_before = datetime.now(UTC) + timedelta(hours=1)
    data = requeued(base64.b64decode(push["message"]["data"]), not_before=not_before, defers=1, attempts=0)
    push["message"] |= {"data": base64.b64encode(data).decode(), "messageId": str(number)}
    return json.dumps(push).encode()


def send(sender: Sender, number: int) -> http.client.HTTPConnection:
    """Send a push without waiting for its response; return its connection."""
    connection = sender.connection()
    connection.request("POST", "/", held_push(number), {"Authorization": f"Bearer {sender.token}"})
    return connection


def main() -> None:
    """Send the pushes and print the memory before and after."""
    options = argparse.ArgumentParser(description="the memory of held pushes")
    options.add_argument("--pushes", type=int, default=MAX_PUSHES)
    pushes = options.parse_args().pushes
    if sys.platform != "linux":
        sys.exit("memory is read from /proc, which only Linux has")
    variables = {"CONCURRENCY": str(pushes)}
    with (
        worker_dependencies() as dependencies,
        worker_process(dependencies, auth="oidc", variables=variables) as (process, sender),
    ):
        await_port(sender.port)
        connections = [send(sender, 0)]
        time.sleep(SETTLE_SECONDS)
        first = resident_mib(process.pid)
        connections += [send(sender, number) for number in range(1, pushes)]
        time.sleep(SETTLE_SECONDS)
        held = resident_mib(process.pid)
        print("| held pushes | memory, MiB |\n|---|---|")
        print(f"| 1 | {first:.1f} |\n| {len(connections):,} | {held:.1f} |")
        print(f"{(held - first) * 1024 / (pushes - 1):.0f} KiB for each push")


if __name__ == "__main__":
    main()
