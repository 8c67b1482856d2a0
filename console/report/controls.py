"""Describes in sentences which runs and hosts operators have cancelled or paused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf

from console.controls.acts import PauseDetail
from console.ledger.control_rows import ControlAct, cancellations, pauses
from console.ledger.ledger import Ledger
from contract.operator_act import Act

MAX_HOSTS = 20  #: maximum number of paused hosts that are listed


def control_lines(ledger: Ledger, run_ids: list[str], now: datetime) -> Iterator[str]:
    """Yield a sentence for each of the runs that is cancelled or paused, and for each paused host and all.

    The acts are shown as they were recorded. A command that was killed right after may not have put its act
    into force; giving the command again does.
    """
    cancelled = cancellations(ledger)
    for run_id in run_ids:
        if act := cancelled.get(run_id):
            yield f"Run {run_id} was cancelled by {act.operator} at {act.acted_at}."
    in_force = pauses_in_force(ledger, now)
    hosts = [act for act in in_force if act.host]
    for act in in_force:
        if act.run_id in run_ids and act.run_id not in cancelled:
            yield _paused(f"Run {act.run_id}", act, act.run_id)
        elif not act.run_id and not act.host:
            yield _paused("Everything", act, "--all")
    for act in hosts[:MAX_HOSTS]:
        yield _paused(f"Host {act.host}", act, f"--host {act.host}")
    if len(hosts) > MAX_HOSTS:
        yield f"{len(hosts) - MAX_HOSTS} more hosts are paused."


def pauses_in_force(ledger: Ledger, now: datetime) -> list[ControlAct]:
    """Return the pauses that nobody has ended, and that have not ended by themselves."""
    return [act for act in pauses(ledger) if pause_end(act) > now.timestamp()]


def pause_end(act: ControlAct) -> float:
    """Return when a pause ends by itself, in seconds since the epoch; infinity if it does not."""
    return PauseDetail.decode(act.detail).until


def pauses_with_ends(ledger: Ledger, now: datetime) -> list[tuple[ControlAct, datetime | None]]:
    """Return the pauses in force, and when each ends by itself; None if it does not."""
    found = [(act, pause_end(act)) for act in pauses_in_force(ledger, now)]
    return [(act, None if end == inf else datetime.fromtimestamp(end, UTC)) for act, end in found]


def act_detail(act: str, detail: str) -> str:
    """Return the detail of an act as a sentence for people."""
    if act != Act.PAUSE:
        return detail
    until = PauseDetail.decode(detail).until
    return "until it is resumed" if until == inf else f"until {time_text(until)}"


def time_text(seconds: float) -> str:
    """Return a time in seconds since the epoch as `2026-11-22 06:00:03 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _paused(what: str, act: ControlAct, resume: str) -> str:
    until = pause_end(act)
    end = "" if until == inf else f", until {time_text(until)}"
    return f"{what} is paused by {act.operator} since {act.acted_at}{end}. `scrapeq resume {resume}` ends it."
