"""Journeys of the local stack on each broker whose server it starts: demo, dead letters, restart."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug import Request, Response

from console.stack.broker_services import BROKER, RELAY
from console.stack.brokers.choice import LOCAL_BROKERS
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from tests.console.command import run_scrapeq
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.controlled_site import html_page
from tests.servers.http_server import serving
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until

POLICY = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=1)
#: The first broker is tested by `make test`, and the others are variants of the same tests.
EACH_BROKER = [
    pytest.param(name, marks=[] if number == 0 else [pytest.mark.long])
    for number, name in enumerate(LOCAL_BROKERS)
]


class MendedSite:
    """A site whose pages below /bad fail until it is mended.

    Attributes:
        is_mended: whether it is mended.
    """

    def __init__(self) -> None:
        self.is_mended = False

    def respond(self, request: Request) -> Response:
        """Return a page."""
        is_bad = request.path.startswith("/bad") and not self.is_mended
        return html_page(request.path, 500 if is_bad else 200)


@pytest.fixture(params=EACH_BROKER)
def broker(request: pytest.FixtureRequest) -> str:
    """Each broker in turn; the test is skipped if its server is not installed."""
    name = str(request.param)
    if missing := LOCAL_BROKERS[name].missing():
        skip_or_fail(missing)
    return name


@contextmanager
def running_stack(data: Path, broker: str) -> Iterator[Stack]:
    """Run a stack on a broker."""
    with Stack(StackOptions(data=data, delivery=POLICY, broker=broker)) as stack:
        yield stack


def test_demo_on_a_broker_ends_balanced(broker: str, tmp_path: Path) -> None:
    """The demo is the same on each broker: 38 jobs, of which one is a dead letter."""
    done = subprocess.run(
        [sys.executable, "-m", "console", "demo", "--broker", broker, "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[-1] == "accounting: dispatched=38 succeeded=37 dead=1 in_flight=0", done.stdout
    assert any(line.startswith("Starting the relay of jobs") for line in lines)


def test_a_dead_letter_on_a_broker_is_replayed_and_succeeds(broker: str, tmp_path: Path) -> None:
    """Status, dead letters, a replay and the results of a stack on a broker are those of one on Pub/Sub."""
    site = MendedSite()
    with serving(site.respond) as url, running_stack(tmp_path / "data", broker) as stack:
        # Given a page that fails at all its attempts
        data = ("--data", stack.options.data)
        run_id = dispatch(stack.dispatcher_url, [f"{url}/good", f"{url}/bad/1", f"{url}/bad/2"])
        await_accounting(stack, run_id, lambda found: found.dead == 2 and found.succeeded == 1)
        listed = run_scrapeq("dead", "list", *data)
        assert "2 dead letters" in listed.stdout
        assert "5 attempts" in listed.stdout
        # When the operator tries what this broker cannot do
        refused = run_scrapeq("pause", "--all", *data)
        # Then one sentence says so
        assert (refused.exit_code, "Stop the relays" in refused.stderr) == (1, True)
        # When the site is mended, and the dead letters are replayed
        site.is_mended = True
        done = run_scrapeq("dead", "replay", "--first", 1, *data)
        assert done.exit_code == 0, done.output
        assert done.stdout.count("replayed 1, left") == 2
        # Then both succeed, and no dead letter is left
        accounting = await_accounting(stack, run_id, lambda found: found.succeeded == 3)
        assert accounting.adds_up
        assert "replayed 0, left 0" in run_scrapeq("dead", "replay", *data).stdout
        assert "3 jobs succeeded" in run_scrapeq("results", *data).stdout
        assert "succeeded=3 dead=0 in_flight=0" in run_scrapeq("status", *data).stdout


def test_jobs_on_a_broker_survive_killed_processes_and_a_restart(broker: str, tmp_path: Path) -> None:
    """Jobs that wait for their next attempt are delivered after relay, broker and stack were killed."""
    if LOCAL_BROKERS[broker].note:
        pytest.skip(LOCAL_BROKERS[broker].note)
    site = MendedSite()
    with serving(site.respond) as url:
        with running_stack(tmp_path / "data", broker) as stack:
            run_id = dispatch(stack.dispatcher_url, [f"{url}/good/{number}" for number in range(20)])
            await_accounting(stack, run_id, lambda found: found.succeeded == 20)
            # Given a relay that is killed, and restarted by the supervision
            killed = stack.process(RELAY)
            killed.kill()
            wait_until(lambda: _is_restarted(stack, killed.pid), "the relay is restarted")
            # And jobs that are dispatched just before everything is killed
            stack.process(RELAY).kill()
            second = dispatch(stack.dispatcher_url, [f"{url}/good/new/{number}" for number in range(20)])
            stack.process(BROKER).kill()
        # When a stack starts with the same data
        with running_stack(tmp_path / "data", broker) as stack:
            # Then it delivers them
            assert await_accounting(stack, second, lambda found: found.succeeded == 20).adds_up


def _is_restarted(stack: Stack, killed: int) -> bool:
    stack.supervise()
    return stack.process(RELAY).pid != killed
