"""Tests of `replay-all` with the real gcloud, a Pub/Sub server, and a dispatcher that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
import requests

from console.stack.ports import free_port
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.repository.tree import ROOT
from tests.scripts.replay_project import MAX_RUN_SECONDS, REPLAYED_JOBS, Job, ReplayProject, job, kill_group
from tests.servers.waiting import wait_until

ACCOUNT, AUDIENCE = "replay@p.iam.gserviceaccount.com", "https://dispatcher.example"


@contextmanager
def dispatcher(project: ReplayProject, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a dispatcher as it is deployed; kill it with SIGKILL when the context ends."""
    certs_url = project.server.certs_url
    environment = {
        **os.environ,
        "GOOGLE_CLOUD_PROJECT": project.name,
        "PUBSUB_EMULATOR_HOST": project.server.host,
        "PUSH_AUTH": "oidc" if certs_url else "none",  # the official emulator does not sign its pushes
        "PUSH_AUDIENCE": AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        **({"PUSH_CERTS_URL": certs_url} if certs_url else {}),
    }
    command = (
        *(sys.executable, "-m", "functions_framework", "--source", str(ROOT / "dispatcher" / "main.py")),
        *("--target", "dispatch", "--host", "127.0.0.1", "--port", str(port)),
    )
    with (project.config / "dispatcher.log").open("ab") as log:
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
    """Return the arguments of a replay-all with a dispatcher on `port`."""
    dispatcher_options = ["--dispatcher", f"http://127.0.0.1:{port}", "--audience", AUDIENCE]
    return ["replay-all", *dispatcher_options, "--service-account", ACCOUNT, *more]


@pytest.mark.long_on_emulator
def test_replay_all_replays_1000_dead_letters_though_the_dispatcher_is_killed(project: ReplayProject) -> None:
    """Although the dispatcher is killed meanwhile, every dead letter becomes a job, and pushing ends."""
    # Given 1,000 dead letters, some with ordering keys, and a dispatcher
    dead_letters = [job(number, f"host-{number}" if number < 100 else "") for number in range(1000)]
    project.publish_dead_letters(dead_letters)
    port, jobs = free_port(), list[Job]()

    def are_replayed(wanted: int) -> bool:
        jobs.extend(project.pull(REPLAYED_JOBS))
        return len(set(jobs)) >= wanted

    with ExitStack() as first, dispatcher(project, port) as process:
        # When all are replayed, and the dispatcher is killed and started again meanwhile
        replaying = project.start(*arguments(port, "--round-seconds", "15"))
        first.callback(kill_group, replaying)
        wait_until(lambda: are_replayed(1), "the first job")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)
        with dispatcher(project, port):
            output, errors = replaying.communicate(timeout=MAX_RUN_SECONDS)
    # Then the script succeeds and reports the counts
    assert replaying.returncode == 0, errors
    if project.server.name == "localpubsub":
        assert "before: 1000 dead letters (localpubsub's state page)" in output
        assert "after: 0 dead letters (localpubsub's state page)" in output
    else:
        assert "after: an unknown number of dead letters" in output
    # And each dead letter is its original job again, and no dead letter is left
    wait_until(lambda: are_replayed(1000), "1,000 jobs")
    keyless = {Job(each.data, each.attributes, "") for each in dead_letters}
    assert {Job(each.data, each.attributes, "") for each in jobs} == keyless
    if project.server.name == "localpubsub":  # the emulator's pushes have no ordering key
        assert set(jobs) == set(dead_letters)
    assert project.endpoint() == ""
    assert project.pull(DEAD_LETTER_SUBSCRIPTION) == []


@pytest.mark.long_on_emulator
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_replay_all_restores_the_pull_subscription(
    project: ReplayProject, number: signal.Signals
) -> None:
    """After SIGINT or SIGTERM the subscription is a pull subscription again, and no dead letter is lost."""
    # Given dead letters, and no dispatcher
    project.publish_dead_letters([job(1), job(2)])
    process = project.start(*arguments(free_port()))
    wait_until(lambda: project.endpoint() != "", "the subscription pushes")
    # When all processes of the replay get the signal, as from Ctrl-C in a terminal
    os.killpg(process.pid, number)
    process.communicate(timeout=MAX_RUN_SECONDS)
    kill_group(process)
    # Then the subscription is a pull subscription again
    assert process.returncode == 130
    assert project.endpoint() == ""
    remaining = set[Job]()

    def are_both_available() -> bool:
        remaining.update(project.pull(DEAD_LETTER_SUBSCRIPTION))
        return len(remaining) == 2

    wait_until(are_both_available, "both dead letters")


def test_killed_replay_all_is_detected_and_ended_by_stop(local_project: ReplayProject) -> None:
    """After SIGKILL of a replay-all the next replay reports the subscription's push; `stop` ends the push."""
    local_project.publish_dead_letters([job(1)])
    process = local_project.start(*arguments(free_port()))
    wait_until(lambda: local_project.endpoint() != "", "the subscription pushes")
    os.killpg(process.pid, signal.SIGKILL)
    kill_group(process)
    refused = local_project.run("replay", "1")
    assert refused.returncode == 1
    assert f"{DEAD_LETTER_SUBSCRIPTION} pushes to http://127.0.0.1:" in refused.stderr
    assert "end it with `stop`" in refused.stderr
    assert local_project.run("stop").returncode == 0
    assert local_project.endpoint() == ""


def test_replay_all_ends_if_the_number_of_dead_letters_stalls(local_project: ReplayProject) -> None:
    """If the number of dead letters does not fall, the replay ends and restores the pull subscription."""
    local_project.publish_dead_letters([job(1)])
    done = local_project.run(*arguments(free_port(), "--patience-seconds", "1"))
    assert done.returncode == 1
    assert "after: 1 dead letters" in done.stdout
    assert "some dead letters are left" in done.stderr
    assert local_project.endpoint() == ""


def test_replay_all_requires_dispatcher_and_service_account(local_project: ReplayProject) -> None:
    """A missing option is reported before the subscription is changed."""
    given = "replay-all", "--dispatcher", "https://dispatcher.example"
    assert "replay-all needs --service-account EMAIL" in local_project.run(*given).stderr
    assert local_project.endpoint() == ""
