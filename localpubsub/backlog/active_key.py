"""Defines the messages of one ordering key that has messages in delivery."""

from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.lease import Lease, LeaseHolder


class ActiveKey:
    """An ordering key of which a message is ready, leased, or waits for its next attempt.

    Its messages are, in this order: the leased ones, the leading one, the returned ones, the blocked ones.

    Attributes:
        number: key number, see ``ordering_keys.key_number``.
        holder: consumer to which messages of the key are leased; None without leases.
        leased: message id → lease, in the order of delivery.
        leading: id of the message that is ready for every consumer, or that waits for its next attempt; None
            if there is no such message.
        returned: ids of the messages that will be delivered again after the leading one; the first is at the
            end of the list.
    """

    __slots__ = ("_blocked", "holder", "leading", "leased", "number", "returned")

    def __init__(self, number: int) -> None:
        self.number = number
        self.holder: LeaseHolder | None = None
        self.leased: dict[int, Lease] = {}
        self.leading: int | None = None
        self.returned: list[int] = []
        self._blocked: IdQueue | None = None

    def block(self, message_id: int) -> None:
        """Add a new message at the end."""
        if self._blocked is None:
            self._blocked = IdQueue()
        self._blocked.append(message_id)

    def first_leased(self) -> Lease | None:
        """Return the lease of the earliest outstanding message, or None without leases."""
        return next(iter(self.leased.values()), None)

    def leased_after(self, message_id: int) -> list[Lease]:
        """Return the leases that follow the lease of this message, the last one first."""
        later = []
        for lease in reversed(self.leased.values()):
            if lease.message_id == message_id:
                break
            later.append(lease)
        return later

    def next_waiting(self) -> int | None:
        """Return the id of the first returned or blocked message, or None without such messages."""
        if self.returned:
            return self.returned[-1]
        return self._blocked.first() if self._blocked is not None else None

    def take(self) -> int:
        """Remove and return the id that ``next_waiting`` returns; there must be one."""
        if self.returned or self._blocked is None:
            return self.returned.pop()
        return self._blocked.take()

    def upcoming(self, count: int) -> list[int]:
        """Return the ids of the first ``count`` returned and blocked messages."""
        returned = self.returned[: -count - 1 : -1]
        blocked = self._blocked.upcoming(count - len(returned)) if self._blocked is not None else []
        return returned + blocked

    def drop_before(self, oldest: int) -> list[int]:
        """Remove the returned and blocked messages whose id is lower than ``oldest``; return their ids."""
        dropped = []
        while (message_id := self.next_waiting()) is not None and message_id < oldest:
            dropped.append(self.take())
        return dropped
