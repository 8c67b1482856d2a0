"""Cancels a run: no further page of it is requested, and its remaining jobs are accounted as cancelled."""

import time
from collections.abc import Sequence

from console.controls.acts import make_act
from console.controls.operator_queue import OperatorQueue
from console.controls.queue import open_queue
from console.errors import UsageError
from console.ledger.control_rows import cancellations
from console.ledger.ledger import Ledger
from console.stack.pubsub_address import PubsubAddress
from contract.operator_act import Act

#: Seconds after `cancel` or `pause` has returned, in which a worker may still begin a request: the time from
#: one reading of the labels to the end of the next (worker/controls.py), and a second in addition.
BOUND_SECONDS = 5


def cancel(queue: OperatorQueue, run_id: str, operator: str, *, in_flight: int | None = None) -> None:
    """Cancel a run, and return when the workers can see it; another call for the same run changes nothing.

    Args:
        queue: the queue.
        run_id: the run.
        operator: who cancels it.
        in_flight: number of its jobs in flight, for the record.

    Raises:
        ControlError: Pub/Sub failed. If the act was recorded, the message says that the run is not cancelled.
    """
    queue.record(make_act(Act.CANCEL, operator, run_id=run_id, jobs=in_flight))
    at = time.time()
    queue.change(lambda controls: controls.cancel(run_id, at), lambda controls: controls.is_cancelled(run_id))


def has_ended(ledger: Ledger, run_id: str) -> bool:
    """Return whether a run is dispatched and recorded completely, and none of its jobs is in flight."""
    dispatches = ledger.dispatches(run_id)
    if not dispatches or any(each.report.continues for each in dispatches):
        return False
    published = sum(each.report.published for each in dispatches)
    return ledger.recorded_jobs(run_id) >= published and not ledger.accounting(run_id).in_flight


def refuse_cancelled_runs(
    ledger: Ledger, run_ids: Sequence[str], address: PubsubAddress | None = None
) -> None:
    """Return if none of the runs was cancelled; else the workers would cancel what is replayed.

    The ledger of a deployment does not have an act of some seconds ago, so there the controls in force are
    read as well, if an address is given.

    Raises:
        UsageError: a run was cancelled; the message says by whom and when, and what to do instead.
        ControlError: Pub/Sub failed.
    """
    cancelled = cancellations(ledger)
    if address is not None and not address.is_local:
        with open_queue(address) as queue:
            controls = queue.controls()
        for run_id in run_ids:
            if run_id not in cancelled and controls.is_cancelled(run_id):
                raise UsageError(
                    f"Run {run_id} was cancelled just now, so the workers would not request the pages of its "
                    "jobs. To scrape them, dispatch the crawl again as a new run."
                )
    for run_id in run_ids:
        if act := cancelled.get(run_id):
            raise UsageError(
                f"Run {run_id} was cancelled by {act.operator} at {act.acted_at}, so the workers would not "
                "request the pages of its jobs. To scrape them, dispatch the crawl again as a new run."
            )
