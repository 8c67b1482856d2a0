"""gRPC without generated code: names of methods to functions, refusals to statuses."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import grpc
from google.rpc import (  # type: ignore[import-untyped]  # has no py.typed
    error_details_pb2,
    status_pb2,
)

from localpubsub.errors import RequestRejected, StoreFailure, Unimplemented
from localpubsub.protocol.calls import Context, Function, Method, Services, StreamFunction, StreamMethod
from localpubsub.protocol.messages import RequestPb, ResponsePb

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[RequestPb, ResponsePb]"

PACKAGE: Final = "google.pubsub.v1"

_log = logging.getLogger("localpubsub.api.grpc_methods")


class Methods(grpc.GenericRpcHandler):
    """Answers ``/google.pubsub.v1.SERVICE/METHOD``; what has no function answers UNIMPLEMENTED.

    A service of another package is named in full.
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
            _answering_stream(method.function), method.request.FromString, _serialized
        )
    return grpc.unary_unary_rpc_method_handler(
        _answering(method.function), method.request.FromString, _serialized
    )


def _serialized(response: ResponsePb) -> bytes:
    encoded: bytes = response.SerializeToString()
    return encoded


def _unimplemented(name: str) -> RpcHandler:
    async def refuse(_: RequestPb, context: Context) -> ResponsePb:
        await _abort(
            context, Unimplemented(f"localpubsub does not offer {name.rpartition('/')[2]} yet ({name}).")
        )

    return grpc.unary_unary_rpc_method_handler(refuse)


def _answering(function: Function) -> Function:
    async def answer(request: RequestPb, context: Context) -> ResponsePb:
        try:
            return await function(request, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            await _abort(context, error)

    return answer


def _answering_stream(function: StreamFunction) -> Callable[[object, Context], Awaitable[None]]:
    async def answer(_: object, context: Context) -> None:
        try:
            await function(context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            await _abort(context, error)

    return answer


async def _abort(context: Context, error: Exception) -> None:
    if isinstance(error, (RequestRejected, StoreFailure)):
        _log.debug("refused code=%s reason=%s", error.code, error)
        code = grpc.StatusCode[error.code]
        error_info = error.error_info if isinstance(error, RequestRejected) else None
        await context.abort(code, str(error), _trailers(code, str(error), error_info) if error_info else ())
    _log.error("a bug of localpubsub's", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, f"localpubsub has a bug: {error!r}. Its log says more.")


def _trailers(
    code: grpc.StatusCode, sentence: str, error_info: Mapping[str, str]
) -> tuple[tuple[str, bytes], ...]:
    """The richer error model of https://grpc.io/docs/guides/error/, in which the official clients read on."""
    number, _ = code.value
    status = status_pb2.Status(code=number, message=sentence)
    info = error_details_pb2.ErrorInfo(domain="pubsub.googleapis.com", metadata=error_info)
    status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)
