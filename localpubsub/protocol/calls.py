"""The methods of the gRPC services as plain functions, which both gRPC and REST call."""

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
    """One unary method: its request class and the function that answers."""

    request: RequestPb
    function: Function


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """One method with a stream in both directions; the function reads and writes through the context."""

    request: RequestPb
    function: StreamFunction


Services: TypeAlias = Mapping[str, Mapping[str, Method | StreamMethod]]


def unary_methods(services: Services) -> dict[str, Method]:
    """Every method that is not a stream, by its name, which is unique among the services."""
    return {
        name: method
        for methods in services.values()
        for name, method in methods.items()
        if isinstance(method, Method)
    }
