"""Stands for gRPC's context of a call to a broker that runs step by step."""

import asyncio

from localpubsub.protocol.messages import RequestPb, ResponsePb, StreamingPullRequest
from tests.localpubsub.broker.stepped_broker import NAME


class StreamContext:
    """The context of a call that never ends by itself; as a stream, it has one request, and then receives.

    Args:
        max_outstanding_messages: of the request; 0 for no limit.
    """

    def __init__(self, max_outstanding_messages: int = 0) -> None:
        request = StreamingPullRequest(subscription=NAME, stream_ack_deadline_seconds=600)
        request.max_outstanding_messages = max_outstanding_messages
        self._requests = iter([request])
        self.received: list[bytes] = []  #: Data of all received messages.

    async def read(self) -> RequestPb:
        """Return the only request, and then nothing more."""
        return next(self._requests, None) or await asyncio.get_running_loop().create_future()

    async def write(self, response: ResponsePb) -> None:
        """Receive a response."""
        self.received += [each.message.data for each in response.received_messages]

    def time_remaining(self) -> None:
        """Return no deadline."""
