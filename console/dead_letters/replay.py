"""Replays dead letters: publishes them to the jobs topic again, without losing any."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from console.dead_letters.processing import Processed, Selection, process
from console.dead_letters.publishing import publish_jobs_again
from console.dead_letters.queue import DeadLetterQueue, released
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import PubsubConnection, open_pubsub

Show = Callable[[int], None]


@contextmanager
def open_dead_letters(address: PubsubAddress) -> Iterator[tuple[DeadLetterQueue, PubsubConnection]]:
    """Yield the dead letters of a stack, and the connection; release the former at the end."""
    with open_pubsub(address) as pubsub, released(DeadLetterQueue(pubsub)) as queue:
        yield queue, pubsub


def replay(address: PubsubAddress, selection: Selection, show: Show = lambda _: None) -> Processed:
    """Publish the selected dead letters as jobs again, without a record of the act; leave the others.

    Args:
        address: names the stack.
        selection: which dead letters.
        show: called with the number of dead letters that are replayed so far.

    Raises:
        ReplayError: a call to Pub/Sub failed; jobs that are not confirmed as published stay dead letters.
    """
    with open_dead_letters(address) as (queue, pubsub):
        return process(queue, selection, lambda messages: publish_jobs_again(pubsub, messages), show)
