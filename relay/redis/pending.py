"""Takes the messages that wait for a further delivery: those whose delay is over, and those of dead relays.

Redis counts the deliveries of each message that is pending: `XREADGROUP` and `XCLAIM` each add one
(https://redis.io/docs/latest/commands/xpending/).

- A message that waits for its next attempt belongs to the consumer `delayed`. Redis also keeps how long a
  message has been idle, and `XCLAIM` can set it. It is set so that it reaches `DUE_SECONDS` at the end of the
  delay. So any relay can take the message then, and there is no second list of what is due.
- A relay is dead if Redis has not heard of its consumer for `LEASE_SECONDS`.

If two relays take a message at the same time, only one gets it: the first `XCLAIM` sets its idle time to 0.
"""

from typing import Any, NamedTuple

from redis import exceptions

from relay.redis.lease import DELAYED, LEASE_SECONDS
from relay.redis.scripts import MOVE, REMOVE_CONSUMER
from relay.redis.session import Command, Session

DUE_SECONDS = 86_400  #: idle time at which a delayed message is due; longer than any delay
MAX_PAGE = 500  #: maximum number of messages that one command lists


class Entry(NamedTuple):
    """An entry of a stream that the relay has received.

    Attributes:
        id: its id.
        fields: names and values of its fields, in turn.
        attempt: number of this delivery.
    """

    id: str
    fields: list[bytes]
    attempt: int


class Pending:
    """The pending messages of a group.

    Args:
        session: the connection.
        stream: the topic.
        group: the subscription.
    """

    def __init__(self, session: Session, stream: str, group: str) -> None:
        self._session = session
        self._stream = stream
        self._group = group

    async def claim(self, consumer: str, count: int) -> list[Entry]:
        """Take at most `count` messages for a consumer, those first whose delay is over."""
        found = await self._claim_from(DELAYED, DUE_SECONDS, consumer, count)
        if len(found) < count:
            for dead in await self._dead_consumers(consumer):
                found += await self._claim_from(dead, LEASE_SECONDS, consumer, count - len(found))
                if len(found) == count:
                    break
                if not await self._list(dead, 0, 1):
                    await self._run(("EVAL", REMOVE_CONSUMER, 1, self._stream, self._group, dead))
        return found

    async def release_unknown(self, consumer: str, known: set[str]) -> None:
        """Return the consumer's messages that it does not know: those of replies that were lost."""
        start = "-"
        while page := await self._list(consumer, 0, MAX_PAGE, start):
            unknown = {entry: deliveries for entry, deliveries in page.items() if entry not in known}
            for entry, deliveries in unknown.items():
                await self._run(self.move(entry, consumer, 0, deliveries - 1))
            start = f"({list(page)[-1]}"

    def move(self, entry: str, consumer: str, seconds: float, deliveries: int) -> Command:
        """Return the command after which a message is due in `seconds`.

        Args:
            entry: the id of the entry.
            consumer: the consumer that it belongs to.
            seconds: the delay.
            deliveries: number of deliveries that the message has had.
        """
        idle = max(0, round(1000 * (DUE_SECONDS - seconds)))
        return ("EVAL", MOVE, 1, self._stream, self._group, consumer, entry, DELAYED, idle, deliveries)

    async def _claim_from(self, owner: str, idle: float, consumer: str, count: int) -> list[Entry]:
        deliveries = await self._list(owner, idle, count)
        if not deliveries:
            return []
        claim: Command = ("XCLAIM", self._stream, self._group, consumer, round(1000 * idle), *deliveries)
        found = await self._run(claim)
        # Redis returns nothing for an entry that was deleted, and forgets it.
        ids = {entry.decode(): fields for entry, fields in filter(None, found)}
        return [Entry(entry, fields, deliveries[entry] + 1) for entry, fields in ids.items()]

    async def _list(self, owner: str, idle: float, count: int, start: str = "-") -> dict[str, int]:
        """Return the ids of at most `count` messages of a consumer, and their numbers of deliveries."""
        filters = ("IDLE", round(1000 * idle), start, "+", min(count, MAX_PAGE), owner)
        found = await self._run(("XPENDING", self._stream, self._group, *filters))
        return {entry.decode(): deliveries for entry, _, _, deliveries in found}

    async def _dead_consumers(self, consumer: str) -> list[str]:
        found = await self._run(("XINFO", "CONSUMERS", self._stream, self._group))
        named = [dict(zip(each[::2], each[1::2], strict=True)) for each in found]
        return [
            name
            for each in named
            if (name := each[b"name"].decode(errors="replace")) not in {consumer, DELAYED}
            and each[b"idle"] > 1000 * LEASE_SECONDS
        ]

    async def _run(self, command: Command) -> Any:  # noqa: ANN401 - any reply of Redis
        [reply] = await self._session.execute(command)
        if isinstance(reply, exceptions.ResponseError):
            raise reply
        return reply
