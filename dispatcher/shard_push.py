"""Takes the push of a shard, continues its dispatch, and acknowledges it only if that succeeded."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.faults import UnreadableShard
from contract.reason_meanings import status_of
from contract.shard import MAX_SHARD_BYTES, Shard
from contract.trace import Trace
from dispatcher.dispatch import Dispatcher, DispatchResponse
from extraction.selectors import CHECKS
from push_endpoint.authentication import Authenticate
from push_endpoint.receive import RejectedPush, receive

MAX_PUSH_BYTES = MAX_SHARD_BYTES * 4 // 3 + 64 * 1024  #: base64, and the fields around it


@dataclass(frozen=True)
class ShardReceiver:
    """Takes the pushes of the shards.

    Attributes:
        authenticate: checks the token of a push.
        dispatcher: continues the dispatch.
    """

    authenticate: Authenticate
    dispatcher: Dispatcher

    def receive(self, authorization: str, read_body: Callable[[], bytes]) -> DispatchResponse:
        """Continue the dispatch of a shard.

        Args:
            authorization: the request's `Authorization` header; `""` if missing.
            read_body: returns the request's body, or raises `UnreadableEnvelope`; called after the token was
                accepted.

        Returns:
            The response of `Dispatcher.dispatch_shard`, with the number of the request, and the number of
            jobs that the run has so far. 400 if the push is unreadable, 401 or 403 if its token is invalid.
        """
        push = receive(self.authenticate, authorization, read_body, MAX_PUSH_BYTES)
        if isinstance(push, RejectedPush):
            return DispatchResponse(
                status_of(push.reason), {"error": f"the shard was rejected: {push.detail}"}
            )
        try:
            shard = Shard.decode(push.data, CHECKS)
        except UnreadableShard as error:
            return DispatchResponse(400, {"error": f"the shard is unreadable: {error}"})
        traceparent = push.attributes.get("traceparent", "")
        if Trace.parse(traceparent) is None:
            traceparent = ""
        response = self.dispatcher.dispatch_shard(shard, traceparent=traceparent)
        published = response.body.get("published")
        total = shard.report.counts.published + (published if isinstance(published, int) else 0)
        return DispatchResponse(
            response.status, response.body | {"shard": shard.number, "run_published": total}
        )
