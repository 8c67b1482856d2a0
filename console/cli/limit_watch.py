"""Makes the function by which a command keeps the limits of the runs that it watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from console.controls.limits import LimitWatch
from console.ledger.ledger import Ledger
from console.stack.pubsub_address import address_of
from console.terminal import print_line

if TYPE_CHECKING:
    from console.controls.operator_queue import OperatorQueue


def watch_limits(ledger: Ledger, terminal: Console) -> Callable[[], None]:
    """Return a function to call again and again, which cancels runs that have reached a limit."""

    @contextmanager
    def queue() -> Iterator["OperatorQueue"]:
        from console.controls.queue import open_queue  # noqa: PLC0415 - imports Pub/Sub's slow client

        with open_queue(address_of(None, ledger.data)) as found:
            yield found

    return LimitWatch(ledger, queue, lambda text: print_line(terminal, text)).check
