"""Serves what tests need beyond the API of Pub/Sub: reset, messages of a topic, and size of a backlog."""

import asyncio
from typing import Any, Final

from aiohttp import web
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.api.json_handler import json_handler
from localpubsub.broker.message_history import MessageHistory, RememberedMessage
from localpubsub.broker.reset import delete_all
from localpubsub.broker.state import ServerState
from localpubsub.errors import FailedPrecondition, InvalidArgument
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.resources import limits

#: Maximum bytes of the messages in one page; a page with only one message may be larger.
MAX_PAGE_BYTES: Final = 4_000_000
MAX_WAIT: Final = 60.0  #: Maximum of ``wait``, in seconds.
_POLL_SECONDS: Final = 0.01  #: Seconds between two checks whether a backlog is empty.


def routes(state: ServerState) -> list[web.RouteDef]:
    """Return the routes ``POST /reset``, ``GET /messages`` and ``GET /backlog``."""
    inspection = _Inspection(state)
    return [
        web.post("/reset", json_handler(inspection.reset)),
        web.get("/messages", json_handler(inspection.messages)),
        web.get("/backlog", json_handler(inspection.backlog)),
    ]


class _Inspection:
    """The endpoints; each returns JSON, or raises RequestRejected or StoreFailure."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._broker = state.broker

    async def reset(self, _: web.Request) -> dict[str, Any]:
        """Delete all resources and messages; return ``{"deleted": {"topics": 2, …}}``."""
        deleted = await delete_all(self._broker)
        if self._state.history is not None:
            self._state.history.clear()
        return {"deleted": deleted}

    async def messages(self, request: web.Request) -> dict[str, Any]:
        """Return one page of the messages of a topic, oldest first, with their state on each subscription.

        Parameters: ``topic``, a full name; ``pageSize``; ``pageToken``.
        """
        topic = request.query.get("topic", "")
        limits.check_name(topic, "topics")
        size = _integer(request, "pageSize", limits.DEFAULT_PAGE_SIZE, limits.MAX_PAGE_SIZE)
        after = _integer(request, "pageToken", 0, 2**63)
        history = self._history()
        self._broker.catalogue.topic(topic)
        page: list[RememberedMessage] = []
        total = 0
        for message in history.messages(topic, after):
            total += len(message.record)
            if len(page) == size or (page and total > MAX_PAGE_BYTES):
                return {"messages": self._as_json(page), "nextPageToken": str(page[-1].message_id)}
            page.append(message)
        return {"messages": self._as_json(page)}

    async def backlog(self, request: web.Request) -> dict[str, Any]:
        """Return ``{"backlog": N}``: the unacknowledged messages of a subscription, or of all together.

        Parameters: ``subscription``, a full name, or empty for all; ``wait``, seconds to wait until it is 0.
        """
        name = request.query.get("subscription", "")
        if name:
            limits.check_name(name, "subscriptions")
        loop = asyncio.get_running_loop()
        until = loop.time() + _seconds(request, "wait")
        while (count := self._count(name)) and loop.time() < until:  # noqa: ASYNC110 - an ack sets no event
            await asyncio.sleep(_POLL_SECONDS)
        return {"backlog": count}

    def _count(self, name: str) -> int:
        catalogue = self._broker.catalogue
        subscriptions = [catalogue.subscription(name)] if name else catalogue.subscriptions.values()
        return sum(len(subscription.backlog) for subscription in subscriptions)

    def _history(self) -> MessageHistory:
        if self._state.history is None:
            raise FailedPrecondition(
                "The server remembers no messages: start it with --history 1000, or with --ephemeral."
            )
        return self._state.history

    def _as_json(self, page: list[RememberedMessage]) -> list[dict[str, Any]]:
        by_number = {each.number: each for each in self._broker.catalogue.subscriptions.values()}
        return [
            {
                **json_format.MessageToDict(PubsubMessage.FromString(message.record)),
                "subscriptions": {
                    by_number[number].name: {
                        "state": progress.state,
                        "deliveries": progress.deliveries,
                        "attempt": progress.attempt,
                    }
                    for number, progress in message.progress.items()
                    if number in by_number
                },
            }
            for message in page
        ]


def _integer(request: web.Request, name: str, default: int, maximum: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > len(str(maximum)):
        raise InvalidArgument(f"Invalid {name} given (value={text}): it must be a whole number.")
    return min(int(text) or default, maximum)


def _seconds(request: web.Request, name: str) -> float:
    text = request.query.get(name, "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT:
        raise InvalidArgument(
            f"Invalid {name} given (value={text}): it must be from 0 to {MAX_WAIT:g} seconds."
        )
    return seconds
