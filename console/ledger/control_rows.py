"""Queries the operators' acts that control runs and hosts: who has cancelled or paused what, and when."""

from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

#: The acts that control something, the oldest first. Parameter: the maximum number of rows, the newest ones.
CONTROL_ACTS_QUERY: Final = """
    SELECT act, run_id, host, operator, acted_at, detail FROM (
        SELECT act, coalesce(run_id, '') AS run_id, coalesce(host, '') AS host,
               coalesce(operator, '') AS operator, acted_at, coalesce(detail, '') AS detail,
               publish_time, message_id
        FROM `${ledger}.operator_log` WHERE act IN ('cancel', 'pause', 'resume')
        ORDER BY publish_time DESC, message_id DESC LIMIT ?) AS newest
    ORDER BY publish_time, message_id"""
#: The largest number of deliveries that a job in flight has spent. Parameters: a run or NULL, twice; a host
#: or NULL, twice.
SPENT_QUERY: Final = """
    SELECT coalesce(max(attempts), 0) FROM `${ledger}.job_times`
    WHERE state IN ('queued', 'retrying') AND (? IS NULL OR run_id = ?)
      AND (? IS NULL OR job_id IN (SELECT JSON_VALUE(attributes, '$.job_id') FROM `${ledger}.jobs`
                                   WHERE JSON_VALUE(attributes, '$.host') = ?))"""
MAX_ACTS = 10_000


class ControlAct(NamedTuple):
    """An act that cancelled, paused or resumed something.

    Attributes:
        act: `cancel`, `pause` or `resume`.
        run_id: the run; `""` if it concerns no single run.
        host: the host; `""` if it concerns no single host.
        operator: who did it.
        acted_at: when, UTC, as `2026-11-22T06:00:03.120000Z`.
        detail: for a pause, `console.controls.acts.PauseDetail`.
    """

    act: str
    run_id: str
    host: str
    operator: str
    acted_at: str
    detail: str


def control_acts(ledger: Ledger) -> list[ControlAct]:
    """Return the acts that control something, the oldest first."""
    return [ControlAct(*row) for row in ledger.rows(CONTROL_ACTS_QUERY, MAX_ACTS)]


def cancellations(ledger: Ledger) -> dict[str, ControlAct]:
    """Return for each cancelled run the act that cancelled it first."""
    found: dict[str, ControlAct] = {}
    for act in control_acts(ledger):
        if act.act == "cancel":
            found.setdefault(act.run_id, act)
    return found


def pauses(ledger: Ledger) -> list[ControlAct]:
    """Return the pauses that nobody has ended: of a run, of a host, or of all (neither has a name)."""
    found: dict[tuple[str, str], ControlAct] = {}
    for act in control_acts(ledger):
        if act.act == "pause":
            found[act.run_id, act.host] = act
        elif act.act == "resume":
            found.pop((act.run_id, act.host), None)
    return list(found.values())


def spent_deliveries(ledger: Ledger, run_id: str | None, host: str | None) -> int:
    """Return the largest number of deliveries that a job in flight has spent, of a run, a host, or all."""
    [(count,)] = ledger.rows(SPENT_QUERY, run_id, run_id, host, host)
    return int(count)
