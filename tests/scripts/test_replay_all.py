"""`replay-all`: real gcloud, a real Pub/Sub and a real dispatcher, each of which may be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from console.stack.ports import free_port
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.scripts.replay_project import KEPT, Job, PostOffice, end, job
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.timeout(400)
ROOT = Path(__file__).parents[2]
ACCOUNT, AUDIENCE = "replay@p.iam.gserviceaccount.com", "https://dispatcher.example"
MAX_SECONDS = 120.0


@contextmanager
def dispatcher(office: PostOffice, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a dispatcher, as it is deployed, until the block ends; kill it with SIGKILL."""
    certs_url = office.server.certs_url
    environment = {
        **os.environ,
        "GOOGLE_CLOUD_PROJECT": office.project,
        "PUBSUB_EMULATOR_HOST": office.server.host,
        "PUSH_AUTH": "oidc" if certs_url else "none",  # the official emulator signs no pushes
        "PUSH_AUDIENCE": AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        **({"PUSH_CERTS_URL": certs_url} if certs_url else {}),
    }
    command = (
        *(sys.executable, "-m", "functions_framework", "--source", str(ROOT / "dispatcher" / "main.py")),
        *("--target", "dispatch", "--host", "127.0.0.1", "--port", str(port)),
    )
    with (office.config / "dispatcher.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: _is_healthy(port), "the dispatcher answers")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)


def _is_healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=120).ok
    except requests.RequestException:
        return False


def arguments(port: int, *more: str) -> list[str]:
    """Return the arguments of a replay of all to a dispatcher at a port."""
    where = ["replay-all", "--dispatcher", f"http://127.0.0.1:{port}", "--audience", AUDIENCE]
    return [*where, "--service-account", ACCOUNT, *more]


@pytest.mark.long_on_emulator
def test_1000_letters_in_bulk_though_the_dispatcher_is_killed(office: PostOffice) -> None:
    """Every letter is a job, none is left, and the subscription waits for pulls again."""
    # Given 1,000 dead letters, some with ordering keys, and a dispatcher
    letters = [job(number, f"host-{number}" if number < 100 else "") for number in range(1000)]
    office.bury(letters)
    port, jobs = free_port(), list[Job]()

    def some(wanted: int) -> bool:
        jobs.extend(office.take(KEPT))
        return len(set(jobs)) >= wanted

    with ExitStack() as first, dispatcher(office, port) as process:
        # When all are replayed, and the dispatcher is killed in the middle and comes back
        replaying = office.start(*arguments(port, "--round-seconds", "15"))
        first.callback(end, replaying)
        wait_until(lambda: some(1), "the first job")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)
        with dispatcher(office, port):
            said, complained = replaying.communicate(timeout=MAX_SECONDS)
    # Then it says so
    assert replaying.returncode == 0, complained
    if office.server.name == "localpubsub":
        assert "before: 1000 dead letters (localpubsub's state page)" in said
        assert "after: 0 dead letters (localpubsub's state page)" in said
    else:
        assert "after: an unknown number of dead letters" in said
    # And each letter is the job it was, and none waits
    wait_until(lambda: some(1000), "1,000 jobs")
    keyless = {Job(each.data, each.attributes, "") for each in letters}
    assert {Job(each.data, each.attributes, "") for each in jobs} == keyless
    if office.server.name == "localpubsub":  # the emulator tells an endpoint no ordering key
        assert set(jobs) == set(letters)
    assert office.endpoint() == ""
    assert office.take(DEAD_LETTER_SUBSCRIPTION) == []


@pytest.mark.long_on_emulator
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_puts_the_subscription_back(office: PostOffice, number: signal.Signals) -> None:
    """Ctrl-C or a kill: it waits for pulls again, and no letter is lost."""
    # Given letters, and a dispatcher that is not there
    office.bury([job(1), job(2)])
    process = office.start(*arguments(free_port()))
    wait_until(lambda: office.endpoint() != "", "it pushes")
    # When the replay is interrupted, as a terminal does it: with all of its processes
    os.killpg(process.pid, number)
    process.communicate(timeout=MAX_SECONDS)
    end(process)
    # Then it is as it was
    assert process.returncode == 130
    assert office.endpoint() == ""
    left = set[Job]()

    def are_both_there() -> bool:
        left.update(office.take(DEAD_LETTER_SUBSCRIPTION))
        return len(left) == 2

    wait_until(are_both_there, "both letters")


def test_a_replay_that_was_killed_is_seen_and_ended(local_office: PostOffice) -> None:
    """SIGKILL leaves the subscription pushing: whoever comes next is told, and puts it back."""
    local_office.bury([job(1)])
    process = local_office.start(*arguments(free_port()))
    wait_until(lambda: local_office.endpoint() != "", "it pushes")
    os.killpg(process.pid, signal.SIGKILL)
    end(process)
    refused = local_office.run("replay", "1")
    assert refused.returncode == 1
    assert f"{DEAD_LETTER_SUBSCRIPTION} pushes to http://127.0.0.1:" in refused.stderr
    assert "end it with `stop`" in refused.stderr
    assert local_office.run("stop").returncode == 0
    assert local_office.endpoint() == ""


def test_a_dispatcher_that_takes_nothing_is_not_waited_for_without_end(local_office: PostOffice) -> None:
    """Letters that grow no fewer end the replay with a sentence, and wait for pulls."""
    local_office.bury([job(1)])
    done = local_office.run(*arguments(free_port(), "--patience-seconds", "1"))
    assert done.returncode == 1
    assert "after: 1 dead letters" in done.stdout
    assert "some letters are left; the dispatcher's log says why" in done.stderr
    assert local_office.endpoint() == ""


def test_what_a_replay_of_all_needs_is_asked_for(local_office: PostOffice) -> None:
    """Before anything is changed."""
    given = "replay-all", "--dispatcher", "https://dispatcher.example"
    assert "replay-all needs --service-account EMAIL" in local_office.run(*given).stderr
    assert local_office.endpoint() == ""
