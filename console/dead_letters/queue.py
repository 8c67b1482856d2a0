"""Pulls dead letters from their subscription, and holds, acknowledges and releases them."""

import time
from collections.abc import Callable, Iterator, Sequence

from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError
from google.pubsub_v1 import types

from console.stack.pubsub_connection import PubsubConnection
from contract.topology import DEAD_LETTER_SUBSCRIPTION

MESSAGES_PER_PULL = 100
PULL_TIMEOUT_SECONDS = 3.0  #: a local Pub/Sub has answered by then, unless there is no dead letter
CLOUD_PULL_TIMEOUT_SECONDS = 15.0  #: the same for Google's, which may be slow for a request in between
CALL_TIMEOUT_SECONDS = 30.0
#: Ack deadline of the dead letters that a command holds. It ends soon after a command is killed, and is
#: renewed while one runs.
LEASE_SECONDS = 60
RENEWAL_SECONDS = 15.0  #: maximum number of seconds between two renewals, if no call takes longer
MAX_ACK_IDS = 1000  #: maximum number of ack ids in one request


class DeadLetterQueue:
    """The subscription that keeps the dead letters for the operator.

    Args:
        pubsub: a connection to Pub/Sub.
        lease_seconds: ack deadline of the dead letters that are held.
        clock: returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        pubsub: PubsubConnection,
        lease_seconds: int = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = pubsub.address
        self._subscriber = pubsub.subscriber
        self._subscription = pubsub.subscription(DEAD_LETTER_SUBSCRIPTION)
        self._pull_seconds = PULL_TIMEOUT_SECONDS if pubsub.address.is_local else CLOUD_PULL_TIMEOUT_SECONDS
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._held: dict[str, str] = {}  # the ack id of each held message
        self._renewed_at = clock()

    def pull(self, count: int) -> list[types.PubsubMessage]:
        """Return up to `count` dead letters, and hold them; none if no dead letter is available.

        A message that is held already may be returned again, if its ack deadline has passed.

        Raises:
            GoogleAPIError: the call failed.
        """
        try:
            response = self._subscriber.pull(
                subscription=self._subscription,
                max_messages=count,
                timeout=self._pull_seconds,
                retry=None,
            )
        except DeadlineExceeded:
            return []
        received = list(response.received_messages)
        self._held.update((each.message.message_id, each.ack_id) for each in received)
        self._set_ack_deadline([each.ack_id for each in received], self._lease_seconds)
        return [each.message for each in received]

    def acknowledge(self, message_ids: Sequence[str]) -> None:
        """Remove held dead letters from the subscription.

        Raises:
            GoogleAPIError: the call failed; the dead letters may be delivered again.
        """
        for part in _parts([self._held[each] for each in message_ids]):
            self._subscriber.acknowledge(
                subscription=self._subscription,
                ack_ids=part,
                timeout=CALL_TIMEOUT_SECONDS,
            )
        for each in message_ids:
            self._held.pop(each, None)

    def renew(self) -> None:
        """Extend the ack deadlines of all held dead letters, if the last time is long enough ago.

        Raises:
            GoogleAPIError: the call failed.
        """
        now = self._clock()
        if now - self._renewed_at >= RENEWAL_SECONDS:
            self._set_ack_deadline(list(self._held.values()), self._lease_seconds)
            self._renewed_at = now

    def release(self) -> None:
        """Make all held dead letters available again at once; if the call fails, they are within a minute."""
        held, self._held = list(self._held.values()), {}
        try:
            self._set_ack_deadline(held, 0)
        except GoogleAPIError:
            return

    def _set_ack_deadline(self, ack_ids: list[str], seconds: int) -> None:
        for part in _parts(ack_ids):
            self._subscriber.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=part,
                ack_deadline_seconds=seconds,
                timeout=CALL_TIMEOUT_SECONDS,
                retry=None,
            )


def _parts(ack_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ack_ids), MAX_ACK_IDS):
        yield ack_ids[start : start + MAX_ACK_IDS]
