"""Kills replays, replacements and drops at random steps: no page is lost, and none counts twice.

python -m tests.console.dead_letters.kills --times 200
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.outcome import Reason
from tests.console.dead_letters.line import MENDED, Line, running_line
from tests.servers.waiting import wait_until

PAGES = 7  #: dead letters of one round
KILLS_PER_ROUND = 6
MAX_STEP = 45  #: a command for these pages has about so many steps
LEASE_SECONDS = 61  #: seconds after which the dead letters that a killed command held are available again
KINDS = ("replay", "replace", "mixed", "drop")


class Commands:
    """The program `killed_commands`, which runs commands and kills them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, words: list[str], step: int = 0) -> bool:
        """Run a command, and return whether it was killed; it must not fail."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([step, words]) + "\n")
        self._process.stdin.flush()
        status, output = json.loads(self._process.stdout.readline())
        assert status in {0, -9}, f"{words}: {status}\n{output}"
        return bool(status)


@contextmanager
def running_commands() -> Iterator[Commands]:
    """Run the program until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.console.dead_letters.killed_commands"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Commands(process)
        finally:
            process.kill()


def killed_round(line: Line, commands: Commands, kind: str, chance: random.Random) -> int:
    """Kill commands on the dead letters of a new run, complete them, and check; return the kills."""
    run = f"{kind}-{chance.getrandbits(40)}"
    recipe = line.ledger.data / "mended.yaml"
    recipe.write_text(json.dumps(MENDED), encoding="utf-8")
    jobs = line.dispatch(*map(str, range(PAGES)), run=run)
    line.die(jobs, Reason.TIMEOUT)
    common = [run, "--pubsub", line.host, "--data", str(line.ledger.data)]
    replay, replace = ["dead", "replay", *common], ["dead", "replay", "--recipe", str(recipe), *common]
    words = {
        "replay": [replay],
        "replace": [replace],
        "mixed": [replay, replace],
        "drop": [["dead", "drop", "--yes", *common]],
    }[kind]
    kills = 0
    for _ in range(KILLS_PER_ROUND):
        kills += commands.run(chance.choice(words), chance.randint(1, MAX_STEP))
        line.advance(LEASE_SECONDS)
        if chance.random() < 0.5:
            scrape_all(line)
    finish(line, commands, words, run)
    check(line, kind, run)
    return kills


def scrape_all(line: Line) -> None:
    """Let the jobs in the queue succeed, each as often as it was published."""
    for job in line.drain():
        line.end([job], original=job.original or "", items='[{"title": "x"}]', item_count=1)


def finish(line: Line, commands: Commands, words: list[list[str]], run: str) -> None:
    """Run the commands, without a kill, until nothing is dead or in flight, and no dead letter is left."""

    def is_finished() -> bool:
        for each in words:
            commands.run(each)
        scrape_all(line)
        # What a command has pulled and not seen in time is available again.
        line.advance(LEASE_SECONDS)
        now = line.ledger.accounting(run)
        return not now.dead and not now.in_flight and not line.dead_letters()

    wait_until(is_finished, f"all dead letters of {run} are worked off")


def check(line: Line, kind: str, run: str) -> None:
    """Check that each page has one result, or was dropped, and that the accounting adds up."""
    accounting = line.ledger.accounting(run)
    results = Counter(result.url for result in line.ledger.results(run))
    pages = 0 if kind == "drop" else PAGES
    assert accounting.adds_up, f"{run}: {accounting}"
    assert sorted(results.values()) == [1] * pages, f"{run}: {results}"
    assert accounting.dropped == PAGES - pages, f"{run}: {accounting}"
    if kind == "replay":
        assert accounting.dispatched == accounting.succeeded == PAGES, f"{run}: {accounting}"
    if kind == "replace":
        assert accounting.replaced == accounting.succeeded == PAGES, f"{run}: {accounting}"


def kill(times: int, seed: int, folder: Path) -> Counter[str]:
    """Kill commands of each kind until there were `times` kills of all; return the number of each kind."""
    chance, done = random.Random(seed), Counter[str]()
    with running_line(folder) as line, running_commands() as commands:
        while done.total() < times:
            for kind in KINDS:
                done[kind] += killed_round(line, commands, kind, chance)
                sys.stdout.write(f"{done.total()} kills: {dict(done)}\n")
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = kill(options.times, options.seed, Path(temporary))
    sys.stdout.write(f"{found.total()} kills, 0 lost, 0 twice in effect: {dict(found)}\n")
