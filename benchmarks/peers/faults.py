"""What each queue loses or does twice under faults: `python -m benchmarks.peers.faults`.

Each system gets jobs on pages of 200 ms, then a fault happens, at a moment that the seed determines. The
command waits until all jobs are done, or until nothing has happened for five minutes, and prints a table.
Without --only, the results are written to benchmarks/peers/faults.json after each fault, and the table to
docs/guarantees.md; if the command is interrupted, it continues where it was when it is started again.

Example: python -m benchmarks.peers.faults --only scrapeq,dramatiq-rabbitmq --fault workers-killed --seed 7
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers import environment
from benchmarks.peers.measure import warm_up
from benchmarks.peers.processes import Launcher, adopt_orphans, paused
from benchmarks.peers.publish import write_section
from benchmarks.peers.running import Running
from benchmarks.peers.scrapeq import Scrapeq
from benchmarks.peers.site import PAGES, Site, running_site
from benchmarks.peers.systems import SYSTEMS, System
from console.stack.process import ProcessWatcher

DELAY_MS = 200
#: Systems whose jobs survive the processes that run them, in their settings for pages of 200 ms.
QUEUES = (
    *("scrapeq", "dramatiq-rabbitmq", "dramatiq-redis", "celery-rabbitmq", "celery-redis"),
    *("celery-rabbitmq-default", "celery-redis-default", "procrastinate"),
)
FAULTS: Mapping[str, tuple[str, Callable[[Running], None]]] = {
    "workers-killed": ("all workers: SIGKILL, started again", lambda running: running.kill_workers()),
    "workers-stopped": (
        "all workers: SIGTERM (a deploy), started again",
        lambda running: running.stop_workers(),
    ),
    "broker-killed": ("broker: SIGKILL, started again", lambda running: running.kill_broker()),
}
COLUMNS = (
    *("fault", "system", "jobs", "not back", "twice in effect", "pages fetched twice"),
    *("failed without a reason", "s from the fault to the last result", "seed"),
)
RESULTS = Path(__file__).with_name("faults.json")
SECTION = ("docs/guarantees.md", "peers-faults")  #: the file with the table, and the name of its markers
QUIET_SECONDS = 300  #: nothing is expected any more if nothing was done for so long
MAX_SECONDS = 1500


@dataclass(frozen=True)
class FaultResult:
    """What a fault did to a system.

    Attributes:
        fault, system: their names.
        seed: determines at which share of the jobs the fault happens.
        jobs: number of jobs.
        done: number of jobs with a result.
        missing: number of jobs without a result or a recorded end, when the command gave up.
        twice_in_effect: number of jobs with more than one result.
        fetched_twice: number of pages that were requested more than once.
        unexplained: number of jobs that ended as failed without a recorded reason.
        seconds: seconds from the fault until the last result.
    """

    fault: str
    system: str
    seed: int
    jobs: int
    done: int
    missing: int
    twice_in_effect: int
    fetched_twice: int
    unexplained: int
    seconds: float


@dataclass(frozen=True)
class FaultPlan:
    """A fault, and the system to which it happens.

    Attributes:
        system: the system.
        fault: name of the fault.
        jobs: number of jobs.
        seed: determines at which share of the jobs the fault happens.
    """

    system: System
    fault: str
    jobs: int
    seed: int

    @property
    def share(self) -> float:
        """Share of the jobs that are done before the fault: between a tenth and a half."""
        return random.Random(f"{self.fault}{self.seed}").uniform(0.1, 0.5)  # noqa: S311 - a moment, not a secret


def inflict(plan: FaultPlan, site: Site, log: Path, watcher: ProcessWatcher) -> FaultResult:
    """Run a system, let the fault happen, and count what became of the jobs; `log` has the requests."""
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user
        with (
            Launcher(Path(directory), watcher, is_durable=True) as launcher,
            plan.system.start(launcher, DELAY_MS) as running,
        ):
            warm_up(running, site.urls(DELAY_MS, 20, "?warm-up"))
            urls = site.urls(DELAY_MS, plan.jobs, f"?{plan.system.name}-{plan.fault}-{plan.seed}")
            # What had not been sent before the fault would count as lost; and the workers would have done
            # nearly all of it, if they were faster than the sender.
            with paused(running.worker_pids()):
                running.enqueue(urls)
                running.wait_until_sent()
            _wait(running, int(plan.share * plan.jobs))
            began = time.monotonic()
            FAULTS[plan.fault][1](running)
            last = _wait(running, plan.jobs)
            results = Counter(each.url for each in running.results())
            unexplained = running.unexplained if isinstance(running, Scrapeq) else 0
            dead = running.dead if isinstance(running, Scrapeq) else 0
    paths = {f"{urlsplit(url).path}?{urlsplit(url).query}" for url in urls}
    requested = Counter(line for line in log.read_text().split() if line in paths)
    return FaultResult(
        plan.fault,
        plan.system.name,
        plan.seed,
        jobs=plan.jobs,
        done=len(results),
        missing=plan.jobs - len(results) - dead,
        twice_in_effect=sum(count > 1 for count in results.values()),
        fetched_twice=sum(count > 1 for count in requested.values()),
        unexplained=unexplained,
        seconds=round(last - began, 1),
    )


def _wait(running: Running, count: int) -> float:
    """Wait until `count` jobs are done, or none was for a while; return when the last one was."""
    done, changed, started = -1, time.monotonic(), time.monotonic()
    while done < count:
        running.supervise()
        if (now := running.done()) > done:
            done, changed = now, time.monotonic()
        if time.monotonic() - changed > QUIET_SECONDS or time.monotonic() - started > MAX_SECONDS:
            break
        time.sleep(0.05)
    return changed


def table(results: Sequence[FaultResult]) -> str:
    """Return the results as Markdown."""
    if not results:
        return "No results yet: `python -m benchmarks.peers.faults` measures them and writes this table."
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for each in sorted(results, key=lambda row: (list(FAULTS).index(row.fault), QUEUES.index(row.system))):
        title, (fault, _) = SYSTEMS[each.system].title, FAULTS[each.fault]
        lines.append(
            f"| {fault} | {title} | {each.jobs} | {each.missing} | {each.twice_in_effect}"
            f" | {each.fetched_twice} | {each.unexplained} | {each.seconds:.0f} | {each.seed} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all chosen faults on all chosen systems, and print the table."""
    head, _, example = (__doc__ or "").partition("Example: ")
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.peers.faults", description=head, epilog=f"Example: {example}"
    )
    options.add_argument("--only", default="", help="systems, separated by commas; all without this option")
    options.add_argument("--fault", default=",".join(FAULTS), help="faults, separated by commas")
    options.add_argument("--jobs", type=int, default=1000, help=f"number of jobs (20 to {PAGES})")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--results", type=Path, help="file of results; what it has is not repeated")
    chosen = options.parse_args(arguments)
    names, faults = chosen.only.split(",") if chosen.only else list(QUEUES), chosen.fault.split(",")
    if unknown := [name for name in names if name not in QUEUES] + [
        each for each in faults if each not in FAULTS
    ]:
        options.error(f"{', '.join(unknown)}: choose from {', '.join(QUEUES)}; faults: {', '.join(FAULTS)}")
    if not 20 <= chosen.jobs <= PAGES:
        options.error(f"--jobs must be between 20 and {PAGES}")
    file = chosen.results or (None if chosen.only else RESULTS)
    environment.install()
    adopt_orphans()
    results = read_results(file)
    known = {(each.fault, each.system, each.seed) for each in results}
    with tempfile.TemporaryDirectory(prefix="peers-site-") as data, ProcessWatcher() as watcher:
        log = Path(data, "requests.log")
        with running_site(Path(data), log=f"{log} page") as site:
            for fault in faults:
                for system in (SYSTEMS[name] for name in names):
                    if reason := system.missing():
                        print(f"{system.name} is skipped: {reason}", file=sys.stderr)
                    elif (fault, system.name, chosen.seed) not in known:
                        plan = FaultPlan(system, fault, chosen.jobs, chosen.seed)
                        found = inflict(plan, site, log, watcher)
                        results.append(found)
                        print(found, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
                        if file:
                            file.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")
    if file == RESULTS:
        write_section(*SECTION, table(results))
    print(table(results))


def read_results(path: Path | None) -> list[FaultResult]:
    """Return the results of a file; none if there is no file."""
    if path is None or not path.exists():
        return []
    return [FaultResult(**each) for each in json.loads(path.read_text())]


if __name__ == "__main__":
    main()
