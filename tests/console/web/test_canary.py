"""Tests of the canary of the screen of the dead letters: it waits with a limit, and blocks nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.controls.acts import make_act
from console.dead_letters.acts import Command
from console.dead_letters.choice import choose
from console.dead_letters.filter import read_filter
from console.ledger.act_rows import ActRow, act_rows
from console.web.acts import Acts, RunningAct
from console.web.dead_letter_acts import CanaryOptions, replaying
from console.web.options import ConsoleOptions
from contract.job import Job
from contract.operator_act import Act
from contract.outcome import Reason
from contract.topology import OPERATOR_TOPIC
from tests.console.dead_letters.line import RUN, Line, running_line
from tests.console.web.console_process import ConsoleProcess, Session, running_console
from tests.servers.waiting import wait_for, wait_until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A running queue and its ledger."""
    with running_line(tmp_path) as running:
        yield running


@pytest.fixture
def console(line: Line) -> Iterator[ConsoleProcess]:
    """A console of this queue."""
    with running_console(line.ledger.data, "--pubsub", line.host) as process:
        yield process


def five_dead(line: Line) -> list[Job]:
    """Let five jobs die."""
    jobs = line.dispatch(*map(str, range(5)))
    line.die(jobs, Reason.TIMEOUT)
    return jobs


def start_canary(session: Session, first: int = 2, **fields: str) -> None:
    """Start a replay of all dead letters of the run, with a canary."""
    session.token = session.read_token(f"/dead-letters?run={RUN}")
    form = {"run": RUN, "where": "", "count": "5", "canary": "1", "first": str(first), **fields}
    response = session.post("/dead-letters/replay", form)
    assert response.status_code == 303, response.text


def screen(session: Session) -> str:
    """Return the text of the screen of the dead letters, without its markup."""
    response = session.get(f"/dead-letters?run={RUN}")
    assert response.ok, response.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", response.text))


def await_screen(session: Session, text: str) -> str:
    """Wait until the screen shows a text, and return the screen."""
    return wait_for(lambda: screen(session), lambda shown: text in shown, text)


def newest_act(line: Line, detail: str) -> ActRow:
    """Wait until the newest act of the ledger has a detail, and return the act."""
    [act] = wait_for(
        lambda: act_rows(line.ledger, None, 1),
        lambda found: any(detail in act.detail for act in found),
        detail,
    )
    return act


def in_process_canary(line: Line, acts: Acts, seconds: float) -> RunningAct:
    """Start a canary of 2 in this process."""
    choice = choose(line.ledger, RUN, read_filter(""))
    command = Command.new("ada@desk", Act.REPLAY, RUN, "")
    options = ConsoleOptions(line.ledger.data, pubsub=line.host)
    work = replaying(options, command, choice, canary=CanaryOptions(2, seconds))
    return acts.start(command.act_id, "replay", work)


def test_canary_is_shown_while_other_acts_go_on_until_it_is_given_up(
    line: Line, console: ConsoleProcess
) -> None:
    """A reload shows how far it is; a drop is done meanwhile; given up, it leaves the rest dead."""
    five_dead(line)
    session = console.session()
    start_canary(session)
    taken = line.take(2)
    line.end(taken[:1])
    shown = await_screen(session, "of the first 2 jobs: 1 succeeded, 1 not ended")
    assert "Waiting: replay 5 dead letters of run run-1" in shown
    assert "It is given up in" in shown

    left = next(
        letter
        for letter in choose(line.ledger, RUN, read_filter("")).letters
        if letter.job_id not in {job.job_id for job in taken}
    )
    form = {"run": RUN, "where": f"job={left.job_id}", "count": "1"}
    assert session.post("/dead-letters/drop", form).status_code == 303
    await_screen(session, "1 of 1 dead letters were dropped")

    act_id = re.findall(r'name="act" value="([0-9a-f]{32})"', session.get("/dead-letters").text)[0]
    assert session.post("/dead-letters/give-up", {"act": act_id, "run": RUN}).status_code == 303
    await_screen(session, "It was given up; of the first 2 jobs: 1 succeeded, 1 not ended. The rest (3)")
    acts = wait_for(
        lambda: act_rows(line.ledger, None, 9), lambda found: any("given up" in act.detail for act in found)
    )
    replayed = next(act for act in acts if act.act == "replay")
    assert (replayed.act_id, replayed.jobs) == (act_id, 2)
    line.end(taken[1:])
    assert line.accounting(succeeded=2, dropped=1, dead=2).adds_up
    assert len(line.dead_letters()) == 2


def test_canary_ends_at_its_time_limit(line: Line) -> None:
    """A canary whose jobs do not end in time is given up; the rest stays dead, and the act is recorded."""
    five_dead(line)
    act = in_process_canary(line, Acts(), seconds=0.3)
    wait_until(lambda: not act.is_open, "the canary has ended")
    assert act.state == "stopped"
    assert "The canary has taken longer than 1 s; of the first 2 jobs: 0 succeeded, 2 not ended." in act.text
    assert "taken longer" in newest_act(line, "taken longer").detail
    assert len(line.dead_letters()) == 3


def test_rest_follows_a_canary_that_succeeds(line: Line, console: ConsoleProcess) -> None:
    """When all of the first jobs have succeeded, the others are replayed."""
    five_dead(line)
    session = console.session()
    start_canary(session)
    line.end(line.take(2))
    line.end(line.take(3))
    await_screen(session, "5 of 5 dead letters were replayed.")
    assert line.accounting(succeeded=5).dead == 0


def test_rest_of_a_run_that_was_cancelled_during_the_canary_is_not_replayed(line: Line) -> None:
    """Workers would request nothing of a cancelled run, so its dead letters stay."""
    five_dead(line)
    act = in_process_canary(line, Acts(), seconds=600)
    jobs = line.take(2)
    cancel = make_act(Act.CANCEL, "ada@desk", run_id=RUN)
    line.publish(OPERATOR_TOPIC, [(cancel.encode(), cancel.attributes())])
    wait_until(lambda: "cancel" in {act.act for act in act_rows(line.ledger, RUN, 1)}, "the act is recorded")
    line.end(jobs)
    wait_until(lambda: not act.is_open, "the canary has ended")
    assert act.state == "failed"
    assert "was cancelled by ada@desk" in act.text
    assert len(line.dead_letters()) == 3


def test_sigterm_during_a_canary_loses_nothing(line: Line, console: ConsoleProcess) -> None:
    """The console ends, the act says why, the rest stays dead, and another console replays it."""
    five_dead(line)
    session = console.session()
    start_canary(session)
    first = line.take(2)
    await_screen(session, "0 succeeded, 2 not ended")
    assert console.terminate() == 0
    assert newest_act(line, "The console was stopped").jobs == 2
    line.end(first)
    assert line.accounting(succeeded=2, dead=3).adds_up
    with running_console(line.ledger.data, "--pubsub", line.host) as other:
        session = other.session()
        form = {"run": RUN, "where": "", "count": "3"}
        assert session.post("/dead-letters/replay", form).status_code == 303
        line.end(line.take(3))
        await_screen(session, "3 of 3 dead letters were replayed.")
    assert line.accounting(succeeded=5).adds_up


def test_time_limit_of_a_canary_is_checked(line: Line, console: ConsoleProcess) -> None:
    """A size or a time limit that is no number in the range is refused, and nothing is replayed."""
    five_dead(line)
    session = console.session()
    form = {"run": RUN, "where": "", "count": "5", "canary": "1"}
    for wrong in ({"first": "0"}, {"first": "x"}, {"minutes": "0"}, {"minutes": "10081"}, {"minutes": "-1"}):
        response = session.post("/dead-letters/replay", {**form, **wrong})
        assert response.status_code == 422
        assert "must be a number from 1 to" in response.text
    assert len(line.dead_letters()) == 5


def test_act_that_was_never_started_cannot_be_given_up(line: Line, console: ConsoleProcess) -> None:
    """An unknown id, or that of an act that has ended, changes nothing and says so."""
    five_dead(line)
    session = console.session()
    session.post("/dead-letters/give-up", {"act": "0" * 32, "run": RUN})
    assert "This act does not wait" in screen(session)


def test_screen_of_an_act_shows_what_the_command_acts_shows(line: Line, console: ConsoleProcess) -> None:
    """The screen has who, when, filter and counts of a drop, each record of it, and the dropped jobs."""
    jobs = five_dead(line)
    session = console.session()
    form = {"run": RUN, "where": "reason=timeout", "count": "5"}
    assert session.post("/dead-letters/drop", form).status_code == 303
    act = wait_for(lambda: act_rows(line.ledger, None, 1), lambda found: bool(found and found[0].jobs))[0]
    page = session.get(f"/acts/{act.act_id}").text
    for text in (
        act.operator,
        "reason=timeout",
        "planned: 5",
        act.act_id,
        *(job.job_id[:10] for job in jobs),
    ):
        assert text in page
    assert f"/acts/{act.act_id}" in session.get("/acts").text
    assert f"/acts/{act.act_id}" in session.get(f"/acts?run={RUN}").text
    assert session.get("/acts/0123").status_code == 404
