"""Runs a stack with the shipped defaults, whose times are divided by 50: 12 s instead of 600 s."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.stack.stack import Stack

#: The shipped deadline chain, divided by 50. The page budget is longer, since a busy machine is slow.
SCALED = {
    "WAIT_BUDGET_SECONDS": "10.4",
    "PAGE_BUDGET_SECONDS": "30",
    "REQUEST_TIMEOUT_SECONDS": "47",
    "ACK_DEADLINE_SECONDS": "50",
    "RETRY_MINIMUM_BACKOFF_SECONDS": "0.2",
    "RETRY_MAXIMUM_BACKOFF_SECONDS": "12",
}


@contextmanager
def running_stack(
    data: Path, ack_policy: AckPolicy, *, backoff: int = 0, processes: int = 2
) -> Iterator[Stack]:
    """Run a stack with the shipped defaults, whose times are divided by 50."""
    delivery = DeliveryPolicy(
        ack_deadline_seconds=50, minimum_backoff_seconds=backoff, maximum_backoff_seconds=12
    )
    options = StackOptions(
        data=data, delivery=delivery, ack_policy=ack_policy, worker_processes=processes, environment=SCALED
    )
    with Stack(options) as stack:
        yield stack
