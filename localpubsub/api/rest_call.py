"""Replaces gRPC's context for calls from REST and from a setup file."""

import asyncio
from typing import NoReturn

import grpc


class CallAborted(Exception):
    """The method ended the call with an error.

    Attributes:
        code: the name of a gRPC status code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CallContext:
    """The part of grpc.aio.ServicerContext that the methods use.

    The caller waits ``timeout`` seconds for the response.
    """

    def __init__(self, timeout: float) -> None:
        self._until = asyncio.get_running_loop().time() + timeout

    def time_remaining(self) -> float:
        """Return how many seconds the caller still waits."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def abort(self, code: grpc.StatusCode, details: str = "", _: object = ()) -> NoReturn:
        """End the call by raising CallAborted."""
        raise CallAborted(code.name, details)

    def set_trailing_metadata(self, _: object) -> None:
        """Ignore the metadata, which only gRPC responses have."""

    def invocation_metadata(self) -> tuple[()]:
        """Return no metadata, because the methods use none."""
        return ()
