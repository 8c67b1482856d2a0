"""Replays dead letters: publishes them to the jobs topic again, without losing any."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from console.dead_letters.processing import DeadLetters, Processed, Selection, process
from console.dead_letters.publishing import Connection, publish_jobs_again
from console.dead_letters.queue import DeadLetterQueue
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import PubsubConnection, open_pubsub

Show = Callable[[int], None]


def open_connection(address: PubsubAddress) -> AbstractContextManager[Connection]:
    """Return the connection to the Pub/Sub or to the broker of a stack, as a context."""
    if not address.broker_url:
        return open_pubsub(address)
    from console.dead_letters.broker import open_broker  # noqa: PLC0415 - needs the relay

    return open_broker(address)


@contextmanager
def open_dead_letters(address: PubsubAddress) -> Iterator[tuple[DeadLetters, Connection]]:
    """Yield the dead letters of a stack, and the connection; release the former at the end."""
    with open_connection(address) as connection:
        queue = _dead_letters(connection)
        try:
            yield queue, connection
        finally:
            queue.release()


def _dead_letters(connection: Connection) -> DeadLetters:
    if isinstance(connection, PubsubConnection):
        return DeadLetterQueue(connection)
    from console.dead_letters.broker import BrokerDeadLetters  # noqa: PLC0415 - needs the relay

    return BrokerDeadLetters(connection.address)


def replay(address: PubsubAddress, selection: Selection, show: Show = lambda _: None) -> Processed:
    """Publish the selected dead letters as jobs again, without a record of the act; leave the others.

    Args:
        address: names the stack.
        selection: which dead letters.
        show: called with the number of dead letters that are replayed so far.

    Raises:
        ReplayError: a call failed; jobs that are not confirmed as published stay dead letters.
    """
    with open_dead_letters(address) as (queue, pubsub):
        return process(queue, selection, lambda messages: publish_jobs_again(pubsub, messages), show)
