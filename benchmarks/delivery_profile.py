"""Profile the processor time of one delivery: `python -m benchmarks.delivery_profile [--tree DIR]`.

The production worker handles pushes one after the other. For each part of its work the processor time of
the main thread is measured, without the time of other measured parts that it calls. A separate row has the
time of other threads, such as gRPC's. The processes in which pages are extracted are not included. With
`--tree DIR` the worker of another checkout is profiled alternately.
"""

import argparse
import http.client
import json
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
WARM_UP = 100
_taken: Counter[str] = Counter()  #: processor time of each part, in seconds
_inside: list[float] = []  #: for each open call, the seconds of the measured functions that it has called


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls `function` and adds its processor time to `part`.

    The time of other measured functions that it calls is not added.
    """

    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any function
        started = time.thread_time()
        _inside.append(0.0)
        try:
            return function(*arguments, **named)
        finally:
            taken = time.thread_time() - started
            _taken[part] += taken - _inside.pop()  # type: ignore[assignment]  # a float, seconds
            if _inside:
                _inside[-1] += taken

    return call


def create_app() -> Any:  # noqa: ANN401 - a WSGI application
    """Return the worker's application with measured functions; gunicorn calls this function."""
    import worker.app  # noqa: PLC0415 - imported in the worker only, from the checkout that is first on its path
    import worker.main  # noqa: PLC0415 - imported in the worker only
    import worker.push_delivery  # noqa: PLC0415 - imported in the worker only
    import worker.scrape  # noqa: PLC0415 - imported in the worker only
    from contract.job import Job  # noqa: PLC0415 - imported in the worker only
    from publishing.pubsub.publisher import PubSubPublisher  # noqa: PLC0415 - imported in the worker only
    from push_endpoint.envelope import Envelope  # noqa: PLC0415 - imported in the worker only
    from push_endpoint.oidc import OidcAuthenticator  # noqa: PLC0415 - imported in the worker only
    from runtime import log  # noqa: PLC0415 - imported in the worker only
    from worker.child_extraction import ChildExtraction  # noqa: PLC0415 - imported in the worker only
    from worker.fetch import Fetcher  # noqa: PLC0415 - imported in the worker only

    def clock(owner: Any, name: str, part: str) -> None:  # noqa: ANN401 - a class or a module
        setattr(owner, name, timed(part, getattr(owner, name)))

    for owner, name, part in (
        (Envelope, "parse", "decode: envelope"),
        (OidcAuthenticator, "__call__", "authenticate"),
        (Fetcher, "fetch", "fetch"),
        (ChildExtraction, "__call__", "extract: request and result"),
        (worker.scrape._Attempt, "_record", "record"),  # noqa: SLF001 - no public function does only this part
        (PubSubPublisher, "publish", "publish"),
        (log, "event", "log"),
    ):
        clock(owner, name, part)
    if hasattr(worker.push_delivery, "decode_job"):
        clock(worker.push_delivery, "decode_job", "decode: job and recipe")
    else:  # an earlier checkout
        clock(Job, "decode", "decode: job and recipe")
    app = worker.main.create_app()
    app.add_url_rule(
        "/profile", view_func=lambda: _taken | {"threads": _all_threads(), "main": time.thread_time()}
    )
    if hasattr(app, "take_push"):
        clock(app, "take_push", "deliver")
    else:  # an earlier checkout
        clock(app, "wsgi_app", "deliver")
    return app


def _all_threads() -> float:
    used = os.times()
    return used.user + used.system


def profile(port: int) -> dict[str, float]:
    """Return the total seconds of each part so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/profile")
    with connection.getresponse() as response:
        seconds: dict[str, float] = json.load(response)
    connection.close()
    return seconds


def parts_of(before: dict[str, float], after: dict[str, float], pushes: int) -> dict[str, float]:
    """Return milliseconds per delivery, by part."""
    parts = {name: (value - before.get(name, 0)) * 1000 / pushes for name, value in after.items()}
    threads, main = parts.pop("threads"), parts.pop("main")
    inside = sum(parts.values())
    return {
        "HTTP in and out (gunicorn)": main - inside,
        **parts,
        "other threads": threads - main,
        "all": threads,
    }


def measure(tree: Path, pushes: int, bodies: list[bytes], dependencies: Any) -> dict[str, float]:  # noqa: ANN401 - its class is imported only in this process
    """Return milliseconds per delivery of the worker in `tree`, by part."""
    from benchmarks.worker_process import COMMAND, await_port, worker_process  # noqa: PLC0415 - the worker's process cannot import it

    path = {"PYTHONPATH": f"{tree}{os.pathsep}{HERE / 'benchmarks'}"}
    command = (*COMMAND, "delivery_profile:create_app()")
    with worker_process(dependencies, auth="oidc", tree=tree, variables=path, command=command) as (_, sender):
        await_port(sender.port)
        connection = sender.connection()
        for body in bodies[:WARM_UP]:
            sender.push(connection, body)
        before = profile(sender.port)
        for body in bodies[WARM_UP : WARM_UP + pushes]:
            sender.push(connection, body)
        return parts_of(before, profile(sender.port), pushes)


def main() -> None:
    """Run the rounds and print the table."""
    from benchmarks.pages_of_200_ms import slow_site  # noqa: PLC0415 - the worker's process cannot import it
    from benchmarks.worker_class import push_body  # noqa: PLC0415 - the worker's process cannot import it
    from benchmarks.worker_process import worker_dependencies  # noqa: PLC0415 - the worker's process cannot import it

    options = argparse.ArgumentParser(description="processor time of one delivery, by part")
    options.add_argument("--pushes", type=int, default=500)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    chosen = options.parse_args()
    trees = [HERE, *([chosen.tree.resolve()] if chosen.tree else [])]
    rounds: dict[Path, list[dict[str, float]]] = defaultdict(list)
    with worker_dependencies() as dependencies, slow_site(0) as site:
        bodies = [push_body(f"{site}/page/{number}") for number in range(WARM_UP + chosen.pushes)]
        for _ in range(chosen.rounds):
            for tree in trees:
                rounds[tree].append(measure(tree, chosen.pushes, bodies, dependencies))
    print("| part | " + " | ".join(tree.name for tree in trees) + " |\n|---|" + "---|" * len(trees))
    for part in rounds[HERE][0]:
        medians = [statistics.median(each.get(part, 0.0) for each in rounds[tree]) for tree in trees]
        print(f"| {part} | " + " | ".join(f"{median:.2f}" for median in medians) + " |")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
