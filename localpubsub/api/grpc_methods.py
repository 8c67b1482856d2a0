"""Serves gRPC without generated code: maps method names to functions, and errors to gRPC statuses."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import accumulate, islice
from typing import Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types
from google.rpc import (  # type: ignore[import-untyped]  # has no py.typed
    error_details_pb2,
    status_pb2,
)

from localpubsub.errors import InvalidArgument, RequestRejected, StoreFailure, Unimplemented, status_message
from localpubsub.protocol.calls import Context, Function, Method, Services, StreamFunction, StreamMethod
from localpubsub.protocol.messages import RequestPb, ResponsePb

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[RequestPb, ResponsePb]"

PACKAGE: Final = "google.pubsub.v1"
#: Maximum number of bytes of the error details. gRPC encodes them in base64, and from 8 KiB of metadata on a
#: client with its default limits may report RESOURCE_EXHAUSTED: https://github.com/grpc/grpc/pull/32600
MAX_DETAILS_BYTES: Final = 5_000
_ENTRY_BYTES: Final = 10  #: More than protobuf adds to an entry of a map whose texts have up to 127 bytes.

_log = logging.getLogger("localpubsub.api.grpc_methods")


class Methods(grpc.GenericRpcHandler):
    """Serves ``/google.pubsub.v1.SERVICE/METHOD``; a method that is not offered fails with UNIMPLEMENTED.

    The keys of ``services`` are names of services. The key of a service outside the package
    google.pubsub.v1 is its full name, for example ``google.iam.v1.IAMPolicy``.
    """

    def __init__(self, services: Services) -> None:
        self._handlers = {
            f"/{service if '.' in service else f'{PACKAGE}.{service}'}/{name}": _handler(method)
            for service, methods in services.items()
            for name, method in methods.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> RpcHandler:
        """See grpc.GenericRpcHandler."""
        name = handler_call_details.method
        return self._handlers.get(name) or _unimplemented(name)


def _handler(method: Method | StreamMethod) -> RpcHandler:
    if isinstance(method, StreamMethod):
        return grpc.stream_stream_rpc_method_handler(
            _translate_stream_errors(method.function), partial(_decode, method.request), _serialize
        )
    # Without a deserializer gRPC passes the bytes on. It would report an error of one as UNKNOWN.
    return grpc.unary_unary_rpc_method_handler(_translate_errors(method), None, _serialize)


def _decode(message: RequestPb, encoded: bytes) -> RequestPb:
    """Return a request; InvalidArgument if the bytes are none, for example because a text is not UTF-8."""
    try:
        return message.FromString(encoded)
    except DecodeError as error:
        raise InvalidArgument(f"Invalid request: {error}.") from None


def _serialize(response: ResponsePb) -> bytes:
    encoded: bytes = response.SerializeToString()
    return encoded


def _unimplemented(name: str) -> RpcHandler:
    async def reject(_: RequestPb, context: Context) -> ResponsePb:
        await _abort(
            context, Unimplemented(f"localpubsub does not offer {name.rpartition('/')[2]} yet ({name}).")
        )

    return grpc.unary_unary_rpc_method_handler(reject)


def _translate_errors(method: Method) -> Function:
    async def call(request: bytes, context: Context) -> ResponsePb:
        try:
            return await method.function(_decode(method.request, request), context)
        except Exception as error:  # noqa: BLE001 - every error becomes a gRPC status
            await _abort(context, error)

    return call


def _translate_stream_errors(function: StreamFunction) -> Callable[[object, Context], Awaitable[None]]:
    async def call(_: object, context: Context) -> None:
        try:
            await function(context)
        except Exception as error:  # noqa: BLE001 - every error becomes a gRPC status
            await _abort(context, error)

    return call


async def _abort(context: Context, error: Exception) -> None:
    if isinstance(error, (RequestRejected, StoreFailure)):
        _log.debug("request_rejected code=%s reason=%s", error.code, error)
        code = grpc.StatusCode[error.code]
        error_info = error.error_info if isinstance(error, RequestRejected) else None
        message = status_message(error)
        await context.abort(code, message, _trailers(code, message, error_info) if error_info else ())
    _log.error("internal_error", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, internal_error_message(error))


def internal_error_message(error: Exception) -> str:
    """Return the message of an INTERNAL status for an unexpected exception."""
    return f"Internal error in localpubsub: {error!r}. Its log has the traceback."


def _trailers(
    code: grpc.StatusCode, message: str, error_info: Mapping[str, str]
) -> tuple[tuple[str, bytes], ...]:
    """Return the error details that the official clients read, as far as they fit.

    They follow the richer error model of https://grpc.io/docs/guides/error/. The clients report
    an ack id that is not in them as failed, too, because of the status of the call.
    """
    sizes = accumulate(len(key) + len(value) + _ENTRY_BYTES for key, value in error_info.items())
    fitting = sum(size <= MAX_DETAILS_BYTES for size in sizes)
    number, _ = code.value
    status = status_pb2.Status(code=number, message=message)
    # Only InvalidAckIds has metadata. The real service has this reason, too:
    # https://github.com/googleapis/nodejs-pubsub/issues/1951
    info = error_details_pb2.ErrorInfo(
        reason="EXACTLY_ONCE_ACKID_FAILURE",
        domain="pubsub.googleapis.com",
        metadata=dict(islice(error_info.items(), fitting)),
    )
    status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)
