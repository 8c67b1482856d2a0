"""Tests which pauses are refused or limited, how pushes are restored, and how acts are shown."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from math import inf

import pytest
from google.pubsub_v1 import types

from console.controls.acts import PauseDetail
from console.controls.cancel import refuse_cancelled_runs
from console.controls.pause import NOT_HELD_SECONDS, Target, longest_pause, pause, resume
from console.controls.queue import PubsubQueue, open_queue
from console.errors import ControlError, UsageError
from console.ledger.ledger import Ledger
from console.report.controls import MAX_HOSTS, control_lines
from console.stack.pubsub_address import PubsubAddress
from contract.operator_act import Act, OperatorAct
from contract.topology import JOBS_TOPIC, OPERATOR_TOPIC, PUSH_SUBSCRIPTION
from tests.console.ledger.rows import Row, act_row, job_row, outcome_row, publish_time, record
from tests.servers.pubsub import PubsubServer

NOW = datetime.fromisoformat(publish_time(1000))
RUN, HOST = Target(run_id="run-1"), Target(host="shop.example")
PUSH_CONFIG = types.PushConfig(push_endpoint="http://127.0.0.1:9/")


def subscription(deliveries: int = 10) -> types.Subscription:
    """Return a push subscription with the ack deadline of 600 s."""
    policy = types.DeadLetterPolicy(max_delivery_attempts=deliveries)
    return types.Subscription(ack_deadline_seconds=600, dead_letter_policy=policy)


def job_on(job: str, run: str = "run-1", host: str = "shop.example") -> Row:
    """Return a job for a page of a host."""
    row = job_row(job, run=run)
    return replace(row, attributes={**row.attributes, "host": host})


@pytest.mark.parametrize(("spent", "deliveries_left"), [(0, 9), (3, 6), (8, 1), (9, 0), (10, 0)])
@pytest.mark.parametrize("target", [RUN, HOST], ids=["run", "host"])
def test_a_pause_ends_before_a_job_can_die_of_it(
    ledger: Ledger, target: Target, spent: int, deliveries_left: int
) -> None:
    """With ACK_POLICY=success each held delivery counts; the last one of every job outlasts the pause."""
    record(ledger, [job_on("a"), job_on("b"), job_on("c", run="other", host="other.example")])
    if spent:
        record(ledger, [outcome_row("a", 1, attempt=spent, reason="http_503")])
    record(ledger, [outcome_row("c", 1, run="other", attempt=9, reason="http_503")])
    assert longest_pause(ledger, subscription(), target) == deliveries_left * (600 - NOT_HELD_SECONDS)


def test_a_pause_with_settled_or_of_everything_is_not_limited(ledger: Ledger) -> None:
    """With ACK_POLICY=settled, and while nothing is delivered, a pause costs no deliveries."""
    record(ledger, [job_row("a"), outcome_row("a", 1, attempt=9, reason="http_503")])
    assert longest_pause(ledger, subscription(100), RUN) == inf
    assert longest_pause(ledger, subscription(), Target()) == inf


@pytest.fixture
def queue(localpubsub_server: PubsubServer, request: pytest.FixtureRequest) -> Iterator[PubsubQueue]:
    """Yield a queue in a project of its own."""
    project = "p" + sha256(request.node.name.encode()).hexdigest()[:20]
    with open_queue(PubsubAddress(localpubsub_server.host, project)) as queue:
        assert isinstance(queue, PubsubQueue)
        for topic in (JOBS_TOPIC, OPERATOR_TOPIC, "dead"):
            queue.publisher.create_topic(name=f"projects/{project}/topics/{topic}")
        queue.subscriber.create_subscription(
            request={
                "name": f"projects/{project}/subscriptions/{PUSH_SUBSCRIPTION}",
                "topic": f"projects/{project}/topics/{JOBS_TOPIC}",
                "push_config": PUSH_CONFIG,
                "ack_deadline_seconds": 600,
                "dead_letter_policy": {
                    "dead_letter_topic": f"projects/{project}/topics/dead",
                    "max_delivery_attempts": 5,
                },
            }
        )
        queue.subscriber.create_subscription(
            name=f"projects/{project}/subscriptions/acts", topic=f"projects/{project}/topics/{OPERATOR_TOPIC}"
        )
        yield queue


def recorded_acts(queue: PubsubQueue, count: int) -> list[OperatorAct]:
    """Return the acts that were published, in their order."""
    found = list[OperatorAct]()
    while len(found) < count:
        response = queue.subscriber.pull(
            subscription=f"projects/{queue.address.project}/subscriptions/acts", max_messages=10, timeout=20
        )
        found += [OperatorAct.decode(each.message.data) for each in response.received_messages]
    return found


def test_a_pause_that_could_bury_a_job_is_refused(queue: PubsubQueue, ledger: Ledger) -> None:
    """If a job has spent all deliveries but one, the pause is refused, and nothing is changed."""
    record(ledger, [job_row("a"), outcome_row("a", 1, attempt=4, reason="http_503")])
    with pytest.raises(UsageError, match=r"Run run-1 cannot be paused: .*`scrapeq pause --all`"):
        pause(queue, ledger, RUN, inf, "ada@desk")
    assert RUN.paused_until(queue.controls()) is None


def test_a_pause_is_limited_and_says_so(queue: PubsubQueue, ledger: Ledger) -> None:
    """A pause that is longer than the deliveries allow is shortened; a shorter one is as asked for."""
    record(ledger, [job_row("a")])
    end = pause(queue, ledger, RUN, inf, "ada@desk")
    assert end.is_limited
    assert end.until - queue.now() <= 4 * (600 - NOT_HELD_SECONDS)
    end = pause(queue, ledger, RUN, 120.0, "ada@desk")
    assert not end.is_limited
    assert RUN.paused_until(queue.controls()) == pytest.approx(end.until, abs=1)
    assert [(act.act, act.operator, act.run_id) for act in recorded_acts(queue, 2)] == [
        (Act.PAUSE, "ada@desk", "run-1"),
        (Act.PAUSE, "ada@desk", "run-1"),
    ]


def test_the_pushes_are_restored_from_the_recorded_act(queue: PubsubQueue, ledger: Ledger) -> None:
    """A pause of everything records the push config, from which `resume` restores it, also after two."""
    pause(queue, ledger, Target(), inf, "ada@desk")
    pause(queue, ledger, Target(), inf, "bob@desk")
    assert not queue.push_subscription().push_config.push_endpoint
    first, second = recorded_acts(queue, 2)
    assert PauseDetail.decode(second.detail).push_config is None
    # The ledger has no such act yet, so the pushes cannot be restored
    with pytest.raises(ControlError, match="no push configuration from before a pause"):
        resume(queue, ledger, Target(), "ada@desk")
    record(
        ledger,
        [
            act_row(Act.PAUSE, 1, run=None, detail=first.detail),
            act_row(Act.PAUSE, 2, run=None, detail=second.detail),
        ],
    )
    assert resume(queue, ledger, Target(), "ada@desk")
    assert queue.push_subscription().push_config.push_endpoint == PUSH_CONFIG.push_endpoint
    assert queue.controls().all_paused_until is None
    assert not resume(queue, ledger, Target(), "ada@desk")


def test_the_worker_of_a_restarted_stack_gets_the_pushes(queue: PubsubQueue, ledger: Ledger) -> None:
    """On a laptop the worker may have another port after a restart, so the pushes go to the new one."""
    pause(queue, ledger, Target(), inf, "ada@desk")
    assert resume(queue, ledger, Target(), "ada@desk", "http://127.0.0.1:10/")
    assert queue.push_subscription().push_config.push_endpoint == "http://127.0.0.1:10/"


@pytest.mark.parametrize("text", ["", "[]", '{"until": "soon"}', '{"until": -1}', '{"until": 1e300}', "null"])
def test_an_unreadable_detail_is_a_pause_without_an_end(text: str) -> None:
    """The ledger may have acts of other versions and programs; none of them breaks a report."""
    assert PauseDetail.decode(text) == PauseDetail()


def test_the_status_says_who_has_done_what(ledger: Ledger) -> None:
    """Acts in force are shown with operator and time; those that have ended or were undone are not."""
    past, future = (PauseDetail(NOW.timestamp() + seconds).encode() for seconds in (-1, 60))
    record(
        ledger,
        [
            act_row(Act.CANCEL, 1, run="run-1"),
            act_row(Act.CANCEL, 2, run="run-1"),
            act_row(Act.PAUSE, 3, run="run-2", detail=future),
            act_row(Act.PAUSE, 3, run="run-3", detail=past),
            act_row(Act.PAUSE, 3, run="run-4", detail=json.dumps({"until": None})),
            act_row(Act.RESUME, 4, run="run-4"),
            act_row(Act.PAUSE, 5, run=None),
            *(
                act_row(Act.PAUSE, 6, run=None, host=f"h{number:02}.example")
                for number in range(MAX_HOSTS + 2)
            ),
        ],
    )
    lines = list(control_lines(ledger, ["run-1", "run-2", "run-3", "run-4"], NOW))
    assert lines[0] == f"Run run-1 was cancelled by ada@desk at {publish_time(1)}."
    assert lines[1].startswith(f"Run run-2 is paused by ada@desk since {publish_time(3)}, until ")
    assert lines[1].endswith("`scrapeq resume run-2` ends it.")
    assert lines[2].startswith(f"Everything is paused by ada@desk since {publish_time(5)}. `scrapeq")
    assert lines[3].startswith("Host h")
    assert lines[-1] == "2 more hosts are paused."
    assert len(lines) == 3 + MAX_HOSTS + 1


def test_dead_letters_of_a_cancelled_run_are_not_replayed(ledger: Ledger) -> None:
    """The refusal says who has cancelled the run, and what to do instead."""
    record(ledger, [act_row(Act.CANCEL, 1, run="run-1")])
    refuse_cancelled_runs(ledger, ["run-2", ""])
    with pytest.raises(UsageError, match=r"Run run-1 was cancelled by ada@desk .* as a new run"):
        refuse_cancelled_runs(ledger, ["run-2", "run-1"])
