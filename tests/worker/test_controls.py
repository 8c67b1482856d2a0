"""Tests how a worker process reads the operator's controls, and how they hold and end attempts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

import gevent
import pytest
from gevent.event import Event

from contract.attempt import AttemptFailed
from contract.controls import Controls
from contract.job import Job
from contract.outcome import Reason
from tests.servers.pushes import job
from tests.servers.waiting import MAX_WAIT_SECONDS
from worker.budget import PageBudget
from worker.controls import HOLD_STEP_SECONDS, OperatorControls

JOB = Job.decode(job())
HOST = "shop.example"
FAST = 0.001  #: seconds between two readings in the tests


@dataclass
class JobsTopic:
    """The labels of a jobs topic.

    Attributes:
        controls: what the labels carry.
        error: raised by every reading; None to return the labels.
        readings: number of readings.
    """

    controls: Controls = field(default_factory=Controls)
    error: Exception | None = None
    readings: int = 0

    def read(self, seconds: float) -> Mapping[str, str]:
        """Return the labels."""
        assert seconds > 0
        self.readings += 1
        if self.error is not None:
            raise self.error
        return self.controls.to_labels()

    def wait_for_readings(self, count: int) -> None:
        """Wait until the labels were read `count` more times."""
        count += self.readings
        with gevent.Timeout(MAX_WAIT_SECONDS):
            while self.readings < count:
                gevent.sleep(FAST)


def make_controls(topic: JobsTopic) -> OperatorControls:
    """Return controls that read the topic all the time."""
    return OperatorControls(topic.read, sleep=lambda _: gevent.sleep(FAST), read_seconds=FAST)


def make_budget(hold_seconds: float = MAX_WAIT_SECONDS) -> PageBudget:
    """Return a budget that only guards against hanging."""
    return PageBudget(MAX_WAIT_SECONDS, wait_seconds=MAX_WAIT_SECONDS, hold_seconds=hold_seconds)


def test_an_idle_process_reads_the_controls_before_the_first_request() -> None:
    """The first attempt of a process ends as cancelled, although nothing was read before."""
    controls = make_controls(JobsTopic(Controls().cancel(JOB.run_id, 1.0)))
    with pytest.raises(AttemptFailed) as failure, controls.attempt(JOB, make_budget()):
        pytest.fail("the attempt began")
    assert failure.value.reason is Reason.CANCELLED
    assert failure.value.detail == f"the operator has cancelled run {JOB.run_id}"


def test_a_job_of_another_run_is_not_cancelled() -> None:
    """Only the jobs of the cancelled run end."""
    controls = make_controls(JobsTopic(Controls().cancel(f"{JOB.run_id}2", 1.0)))
    with controls.attempt(JOB, make_budget()) as permit:
        permit.check(JOB.url)
        assert not permit.is_paused(JOB.url)


@pytest.mark.parametrize("seconds", [-1.0, 0.05])
def test_job_ends_when_the_time_limit_of_its_crawl_passes(seconds: float) -> None:
    """A job that arrives after `until` is not requested, and one that waits ends when the time passes."""
    late = JOB.model_copy(update={"until": datetime.now(UTC) + timedelta(seconds=seconds)})
    controls, never = make_controls(JobsTopic()), Event()

    def attempt() -> None:
        budget = make_budget()
        with controls.attempt(late, budget), budget.waiting():
            never.wait()

    with pytest.raises(AttemptFailed) as failure:
        gevent.spawn(attempt).get(timeout=MAX_WAIT_SECONDS)
    assert failure.value.reason is Reason.RUN_LIMIT
    assert failure.value.detail.startswith("limits.until of the crawl was ")


def test_job_before_the_time_limit_is_requested() -> None:
    """Until the time has passed, the limit changes nothing."""
    early = JOB.model_copy(update={"until": datetime.now(UTC) + timedelta(hours=1)})
    with make_controls(JobsTopic()).attempt(early, make_budget()) as permit:
        permit.check(JOB.url)


@pytest.mark.parametrize("place", ["a page slot", "a host's slot"])
def test_a_waiting_attempt_ends_when_its_run_is_cancelled(place: str) -> None:
    """An attempt that waits, for whatever reason, ends at the next reading of the labels."""
    topic, never = JobsTopic(), Event()
    controls = make_controls(topic)

    def attempt() -> None:
        budget = make_budget()
        with controls.attempt(JOB, budget), budget.waiting():
            never.wait() if place == "a page slot" else gevent.sleep(MAX_WAIT_SECONDS)

    waiting = gevent.spawn(attempt)
    topic.wait_for_readings(2)
    assert not waiting.ready()
    topic.controls = Controls().cancel(JOB.run_id, 1.0)
    with pytest.raises(AttemptFailed) as failure:
        waiting.get(timeout=MAX_WAIT_SECONDS)
    assert failure.value.reason is Reason.CANCELLED


def test_a_request_that_has_begun_is_not_ended() -> None:
    """An attempt that requests a page goes on after its run was cancelled, until its next request."""
    topic, response = JobsTopic(), Event()
    controls = make_controls(topic)
    checked = list[Reason]()

    def attempt() -> str:
        with controls.attempt(JOB, make_budget()) as permit:
            response.wait()
            try:
                permit.check(JOB.url)
            except AttemptFailed as error:
                checked.append(error.reason)
            return "scraped"

    requesting = gevent.spawn(attempt)
    topic.wait_for_readings(1)
    topic.controls = Controls().cancel(JOB.run_id, 1.0)
    topic.wait_for_readings(2)
    assert not requesting.ready()
    response.set()
    assert requesting.get(timeout=MAX_WAIT_SECONDS) == "scraped"
    assert checked == [Reason.CANCELLED]


@pytest.mark.parametrize(
    "paused",
    [Controls().pause_run(JOB.run_id, inf), Controls().pause_host(HOST, inf), Controls().pause_all(inf)],
    ids=["run", "host", "all"],
)
def test_a_paused_job_waits_until_it_is_resumed(paused: Controls) -> None:
    """A job whose run, host or queue is paused is held, and goes on when the pause is lifted."""
    topic = JobsTopic(paused)
    controls = make_controls(topic)
    budget = make_budget()

    def attempt() -> str:
        with controls.attempt(JOB, budget):
            return "scraped"

    held = gevent.spawn(attempt)
    topic.wait_for_readings(3)
    assert not held.ready()
    assert budget.is_waiting
    topic.controls = Controls()
    assert held.get(timeout=MAX_WAIT_SECONDS) == "scraped"
    assert not budget.is_waiting


def test_a_paused_job_ends_as_paused_when_it_may_not_wait_any_longer() -> None:
    """After the time for which a job may wait, it ends with `paused`, and the detail names the end."""
    controls = make_controls(JobsTopic(Controls().pause_run(JOB.run_id, 4_000_000_000.0)))
    with pytest.raises(AttemptFailed) as failure, controls.attempt(JOB, make_budget(hold_seconds=0.01)):
        pytest.fail("the attempt began")
    assert failure.value.reason is Reason.PAUSED
    assert failure.value.detail.endswith("until 2096-10-02T07:06:40Z")


def test_a_paused_job_that_is_published_again_is_held_briefly() -> None:
    """With `max_hold_seconds` a paused job ends with `paused` before its time for waiting is over."""
    topic = JobsTopic(Controls().pause_run(JOB.run_id, inf))
    controls = OperatorControls(topic.read, sleep=lambda _: gevent.sleep(FAST), max_hold_seconds=10 * FAST)
    budget = make_budget()
    with pytest.raises(AttemptFailed) as failure, controls.attempt(JOB, budget):
        pytest.fail("the attempt began")
    assert failure.value.reason is Reason.PAUSED
    assert failure.value.detail.endswith("until it is resumed")
    assert budget.remaining_hold() > 0


def test_a_pause_ends_by_itself() -> None:
    """A job goes on at the time that the label names, without another act."""
    topic = JobsTopic(Controls().pause_run(JOB.run_id, 1_000.0))
    time = [999.0]
    controls = OperatorControls(
        topic.read, sleep=lambda _: time.__setitem__(0, 1_000.0), now=lambda: time[0], read_seconds=FAST
    )
    with controls.attempt(JOB, make_budget()):
        assert time == [1_000.0]


def test_a_paused_job_is_cancelled() -> None:
    """A job that is held because of a pause ends when its run is cancelled."""
    topic = JobsTopic(Controls().pause_run(JOB.run_id, inf))
    controls = make_controls(topic)

    def attempt() -> None:
        with controls.attempt(JOB, make_budget()):
            pytest.fail("the attempt began")

    held = gevent.spawn(attempt)
    topic.wait_for_readings(2)
    topic.controls = topic.controls.cancel(JOB.run_id, 1.0)
    with pytest.raises(AttemptFailed) as failure:
        held.get(timeout=MAX_WAIT_SECONDS)
    assert failure.value.reason is Reason.CANCELLED


def test_the_last_known_controls_stay_in_force_if_they_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If Pub/Sub fails, a run that was cancelled stays cancelled, and one log event says so."""
    caplog.set_level("INFO")
    topic = JobsTopic(Controls().cancel(JOB.run_id, 1.0))
    controls = make_controls(topic)
    with pytest.raises(AttemptFailed), controls.attempt(JOB, make_budget()):
        pytest.fail("the attempt began")
    topic.error = TimeoutError("no response in time")
    other = JOB.model_copy(update={"run_id": "other"})
    with controls.attempt(other, make_budget()):
        topic.wait_for_readings(3)
        with pytest.raises(AttemptFailed), controls.attempt(JOB, make_budget()):
            pytest.fail("the attempt began")
    assert [record.message for record in caplog.records] == ["controls_changed", "controls_not_read"]


def test_the_first_job_goes_on_if_the_controls_cannot_be_read() -> None:
    """A process that has never read the controls scrapes nevertheless."""
    controls = make_controls(JobsTopic(error=PermissionError("pubsub.topics.get")))
    with controls.attempt(JOB, make_budget()) as permit:
        permit.check(JOB.url)


def test_an_idle_process_reads_nothing() -> None:
    """After the last attempt, the reader ends; the next attempt starts it again."""
    topic = JobsTopic()
    controls = make_controls(topic)
    with controls.attempt(JOB, make_budget()):
        pass
    with gevent.Timeout(MAX_WAIT_SECONDS):
        while controls.is_reading:
            gevent.sleep(FAST)
    readings = topic.readings
    gevent.sleep(10 * FAST)
    assert topic.readings == readings
    with controls.attempt(JOB, make_budget()):
        topic.wait_for_readings(1)


def test_held_jobs_look_again_soon() -> None:
    """A held job waits in steps that are shorter than the time between two readings."""
    steps = list[float]()
    controls = OperatorControls(JobsTopic().read, sleep=steps.append)
    controls.hold(500.0)
    controls.hold(0.25)
    assert steps == [HOLD_STEP_SECONDS, 0.25]
