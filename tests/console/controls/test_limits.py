"""Tests that a run which has reached a limit of its crawl is cancelled once, by whoever watches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from console.controls.limits import CHECK_SECONDS, LimitWatch, reached_limit
from console.controls.operator_queue import OperatorQueue
from console.errors import ControlError
from console.ledger.ledger import Ledger
from console.ledger.limit_rows import RunLimits, run_limits
from contract.controls import Controls
from contract.crawl import Limits
from contract.dispatch_report import DispatchCounts, DispatchReport
from contract.operator_act import OperatorAct
from tests.console.ledger.rows import end_row, job_row, outcome_row, record
from tests.worker.fetching import FakeClock

REPORT = DispatchReport(counts=DispatchCounts(published=3))


@dataclass
class Queue:
    """A queue that has labels and records acts.

    Attributes:
        cancelled: the controls.
        acts: the acts that were recorded.
        error: raised when the queue is opened.
    """

    cancelled: Controls = field(default_factory=Controls)
    acts: list[OperatorAct] = field(default_factory=list)
    error: ControlError | None = None

    def controls(self) -> Controls:
        """Return the controls."""
        return self.cancelled

    def record(self, act: OperatorAct) -> None:
        """Record an act."""
        self.acts.append(act)

    def change(self, change: Any, _: Any) -> None:  # noqa: ANN401 - functions of controls
        """Change the controls."""
        self.cancelled = change(self.cancelled)

    @contextmanager
    def opened(self) -> Iterator[OperatorQueue]:
        """Yield the queue as the watch sees it."""
        if self.error:
            raise self.error
        queue: Any = self
        yield queue


def watch(ledger: Ledger, queue: Queue, said: list[str]) -> tuple[LimitWatch, FakeClock]:
    """Return a watch of a ledger, and its clock."""
    clock = FakeClock()
    return LimitWatch(ledger, queue.opened, said.append, clock), clock


@pytest.fixture
def limited(ledger: Ledger) -> Ledger:
    """Return a ledger with a run of three jobs whose pages may have 1,000 bytes; one has 600."""
    record(
        ledger,
        [
            *(job_row(name) for name in ("a", "b", "c")),
            end_row(1, 1, REPORT, limits=Limits(bytes=1_000)),
            outcome_row("a", 2, body_bytes=600),
            job_row("free", run="free"),
            end_row(1, 1, REPORT, run="free", dispatch="free"),
            outcome_row("free", 2, run="free", body_bytes=10**9, reason="timeout"),
        ],
    )
    return ledger


def test_run_is_cancelled_once_when_it_reaches_its_bytes(limited: Ledger) -> None:
    """Below the limit nothing happens; at the limit the run is cancelled, by `limit bytes`, and once."""
    queue, said = Queue(), list[str]()
    guard, clock = watch(limited, queue, said)
    guard.check()
    assert (queue.acts, said) == ([], [])
    record(limited, [outcome_row("b", 3, body_bytes=400)])
    guard.check()
    assert queue.acts == [], "a check right after the other does nothing"
    for _ in range(3):
        clock.seconds += 1000 * CHECK_SECONDS
        guard.check()
    [act] = queue.acts
    assert (act.act, act.operator, act.run_id) == ("cancel", "limit bytes", "run-1")
    assert queue.cancelled.is_cancelled("run-1")
    assert not queue.cancelled.is_cancelled("free")
    [sentence] = said
    assert sentence.startswith(
        "Run run-1 is cancelled, because its pages have 1,000 bytes, and limits.bytes is 1"
    )


def test_bill_reaches_the_limit_of_dollars(limited: Ledger) -> None:
    """The likely bill of the ledger's rows is compared with `limits.usd`."""
    record(limited, [outcome_row("b", 3, total_seconds=3_600 * 24, worker="w")])
    assert reached_limit(limited, RunLimits("run-1", 1.0, None)) is None
    name, sentence = reached_limit(limited, RunLimits("run-1", 0.000_000_1, None)) or ("", "")
    assert name == "usd"
    assert sentence.startswith("its bill is likely $")


def test_run_that_is_cancelled_already_is_not_cancelled_again(limited: Ledger) -> None:
    """If an operator or another command has cancelled the run, no second act is recorded."""
    record(limited, [outcome_row("b", 3, body_bytes=500)])
    queue = Queue(Controls().cancel("run-1", 1.0))
    guard, _ = watch(limited, queue, [])
    guard.check()
    assert queue.acts == []


def test_failed_cancel_is_said_and_tried_again(limited: Ledger) -> None:
    """If Pub/Sub does not answer, the watch says so and tries again at the next check."""
    record(limited, [outcome_row("b", 3, body_bytes=500)])
    queue, said = Queue(error=ControlError("no answer")), list[str]()
    guard, clock = watch(limited, queue, said)
    guard.check()
    assert said == ["Run run-1 has reached limits.bytes, and is not cancelled yet: no answer"]
    queue.error = None
    clock.seconds += 1000 * CHECK_SECONDS
    guard.check()
    assert len(queue.acts) == 1


def test_only_runs_in_flight_have_limits_to_watch(ledger: Ledger) -> None:
    """A run that has ended is not watched; an end record of an earlier version has no limits."""
    row = end_row(1, 1, REPORT, limits=Limits(usd=5, bytes=7))
    old = end_row(1, 1, REPORT, run="old", dispatch="old")
    old = replace(old, data=old.data.replace(b',"limits":', b',"other":'))
    record(ledger, [row, job_row("a"), old, job_row("b", run="old")])
    assert run_limits(ledger) == [RunLimits("run-1", 5.0, 7)]
    record(ledger, [outcome_row("a", 2)])
    assert run_limits(ledger) == []
