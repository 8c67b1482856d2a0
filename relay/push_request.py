"""Makes the push request of a message, the same that Pub/Sub would send."""

import json
from json.encoder import encode_basestring

from localpubsub.backlog.message import date_and_millisecond
from localpubsub.push.connection import Connection, Endpoint
from localpubsub.push.envelope import PushedMessage, body_of
from relay.broker import Received

MAX_ANSWER_BYTES = 4096  #: the worker's answer to a push that fails has at most some hundred bytes


class AnswerConnection(Connection):
    """A connection that also keeps the begin of the response, in which the worker says why a push failed."""

    answer = b""

    async def post(self, request: bytes) -> int:
        """See `Connection.post`."""
        self.answer = b""
        return await super().post(request)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.answer = (self.answer + data)[:MAX_ANSWER_BYTES]
        super().data_received(data)

    def reason_and_detail(self) -> tuple[str, str]:
        """Return the reason and the detail of the worker's JSON answer; empty texts if there are none.

        Halves of surrogate pairs, which no broker could carry, are replaced.
        """
        body = self.answer.partition(b"\r\n\r\n")[2]
        try:
            document = json.loads(body[body.find(b"{") : body.rfind(b"}") + 1])
            reason, detail = document["reason"], document["detail"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", ""
        if not isinstance(reason, str) or not isinstance(detail, str):
            return "", ""
        return reason.encode(errors="replace").decode(), detail.encode(errors="replace").decode()


class AnswerEndpoint(Endpoint):
    """The worker's endpoint."""

    connection_type = AnswerConnection


def body_of_push(received: Received, subscription: str) -> bytes:
    """Return the body of the push of a message.

    Args:
        received: the message.
        subscription: the name of the subscription, `projects/P/subscriptions/S`.
    """
    message = received.message
    seconds = int(received.published_at)
    milliseconds = int((received.published_at - seconds) * 1000)
    pushed = PushedMessage(
        message.data,
        message.attributes,
        encode_basestring(received.message_id)[1:-1],  # another program's id may need escaping
        date_and_millisecond(seconds, milliseconds),
        message.ordering_key,
    )
    return body_of(pushed, subscription, received.attempt)
