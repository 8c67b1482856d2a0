"""Measure the seconds from a worker's start to its first 204: `python -m benchmarks.cold_start`.

The benchmark starts the production command and pushes one job; localpubsub confirms the outcome. With
`--tree DIR` the worker of another checkout is measured alternately, so that both run under the same load.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from benchmarks.pages_of_200_ms import slow_site
from benchmarks.worker_class import push_body
from benchmarks.worker_process import (
    HERE,
    WorkerDependencies,
    await_port,
    worker_dependencies,
    worker_process,
)

IMPORT_PROGRAM = "from gevent import monkey; monkey.patch_all(); import worker.main; worker.main.create_app()"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")


def first_204(dependencies: WorkerDependencies, tree: Path, auth: str, body: bytes) -> float:
    """Return the seconds from the start of the process to its first 204."""
    started = time.monotonic()
    with worker_process(dependencies, auth=auth, tree=tree) as (_, sender):
        await_port(sender.port)
        sender.push(sender.connection(), body)
        return time.monotonic() - started


def bare_python() -> float:
    """Return the seconds that an empty program takes."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - started


def imports(dependencies: WorkerDependencies, tree: Path, auth: str) -> Counter[str]:
    """Return the milliseconds that the imports of each package take until the application exists."""
    environment = dependencies.environment(1, auth) | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", IMPORT_PROGRAM],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    taken: Counter[str] = Counter()
    for microseconds, module in _LINE.findall(done.stderr):
        parts = module.split(".")
        taken[".".join(parts[: 2 if parts[0] == "google" else 1])] += int(microseconds) / 1000  # type: ignore[assignment]  # a float
    return taken


def main() -> None:
    """Run the rounds and print the times."""
    options = argparse.ArgumentParser(description="process start to first 204")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    chosen = options.parse_args()
    trees = [HERE, *([chosen.tree.resolve()] if chosen.tree else [])]
    taken: dict[tuple[Path, str], list[float]] = defaultdict(list)
    bare = list[float]()
    with worker_dependencies() as dependencies, slow_site(0) as site:
        body = push_body(f"{site}/page/1")
        for _ in range(chosen.rounds):
            bare.append(bare_python())
            for auth in ("oidc", "none"):
                for tree in trees:
                    taken[tree, auth].append(first_204(dependencies, tree, auth, body))
        packages = {tree: imports(dependencies, tree, "oidc") for tree in trees}
    print(f"load {os.getloadavg()[0]:.1f}; python -c pass {statistics.median(bare):.3f} s")
    for (tree, auth), seconds in taken.items():
        ratio = statistics.median(map(lambda one, other: one / other, seconds, taken[trees[-1], auth]))
        median, least = statistics.median(seconds), min(seconds)
        times = f"median {median:.2f} s, least {least:.2f} s, {ratio:.2f} × the last tree"
        print(f"{tree.name:12} PUSH_AUTH={auth:4} {times}")
    for tree, table in packages.items():
        print(f"{tree.name}: imports until the application exists, ms ({sum(table.values()):.0f} in total)")
        print("  " + ", ".join(f"{name} {value:.0f}" for name, value in table.most_common(16)))


if __name__ == "__main__":
    main()
