"""Injects kills of `scrapeq dead replay`: every page is dead, then mended, then replayed."""

from collections.abc import Generator
from random import Random

from tests.console.dead_letters.kills import LEASE_SECONDS, MAX_STEP, running_commands
from tests.journey.chaos.injections import Injection
from tests.journey.chaos.system import RUN_ID, System


def kill_replays(times: int) -> Injection:
    """Return an injection that kills a number of replays, and then completes them."""

    def inject(system: System, chance: Random) -> Generator[None]:
        system.is_awaited = True
        while not system.has_ended():
            yield
        system.drain()
        system.mend()
        options = ["--pubsub", system.stack.pubsub_host, "--data", str(system.stack.options.data)]
        words = ["dead", "replay", "--yes", RUN_ID, *options]
        with running_commands() as commands:
            while system.accounting().dead:
                is_killed = system.injected < times
                step = chance.randint(1, MAX_STEP) if is_killed else 0
                system.injected += commands.run(words, step)
                # The dead letters that a killed command held are available again.
                system.advance(LEASE_SECONDS)
                yield
        system.is_awaited = False

    return inject
