"""A call of a method that does not come over gRPC: from the REST API, or from a setup file."""

import asyncio
from typing import NoReturn

import grpc


class Aborted(Exception):
    """The method ended the call; ``code`` is the name of a gRPC status."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Call:
    """What a method may ask and say about its call, in place of gRPC's context."""

    def __init__(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + seconds

    def time_remaining(self) -> float:
        """Seconds the caller still waits."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def abort(self, code: grpc.StatusCode, details: str = "", _: object = ()) -> NoReturn:
        """End the call with an error."""
        raise Aborted(code.name, details)

    def set_trailing_metadata(self, _: object) -> None:
        """Only gRPC's answers have any."""

    def invocation_metadata(self) -> tuple[()]:
        """Nothing that a method would want to know."""
        return ()
