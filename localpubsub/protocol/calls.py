"""Describes the methods of the gRPC services as plain functions, which both gRPC and REST call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from grpc import aio

from localpubsub.protocol.messages import RequestPb, ResponsePb

Context = aio.ServicerContext[RequestPb, ResponsePb]
Function = Callable[[RequestPb, Context], Awaitable[ResponsePb]]
StreamFunction = Callable[[Context], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One unary method of a service."""

    request: RequestPb  #: Protobuf class of the request.
    function: Function  #: Takes the request and the context, and returns the response.


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """One method of a service with a stream in both directions."""

    request: RequestPb  #: Protobuf class of the requests.
    function: StreamFunction  #: Reads the requests and writes the responses through the context.


#: Service name → method name → method.
Services: TypeAlias = Mapping[str, Mapping[str, Method | StreamMethod]]


def unary_methods(services: Services) -> dict[str, Method]:
    """Return the unary methods of all services by name; no two services have a method of the same name."""
    return {
        name: method
        for methods in services.values()
        for name, method in methods.items()
        if isinstance(method, Method)
    }
