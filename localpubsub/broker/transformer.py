"""Runs the message transforms of one topic or subscription in a thread of their own."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from localpubsub.protocol.messages import MessageTransformPb, PubsubMessage
from localpubsub.resources.transforms import JavaScriptFunctions

Result = TypeVar("Result")


class Transformer:
    """The transforms of one topic or subscription; its thread ends when the transformer is collected."""

    def __init__(self, transforms: Iterable[MessageTransformPb]) -> None:
        self._transforms = tuple(transforms)
        self._functions: JavaScriptFunctions | None = None
        self._thread = ThreadPoolExecutor(1, "localpubsub-transforms")

    async def run(self, work: Callable[[JavaScriptFunctions], Result]) -> Result:
        """Call ``work`` with the functions in the thread, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def transform_record(self, record: bytes) -> bytes | None:
        """Return the record of the transformed message, or None if it is filtered.

        Raises:
            TransformFailed: a function fails.
        """

        def work(functions: JavaScriptFunctions) -> bytes | None:
            message = functions.transform(PubsubMessage.FromString(record))
            encoded: bytes | None = None if message is None else message.SerializeToString()
            return encoded

        return await self.run(work)

    def _run(self, work: Callable[[JavaScriptFunctions], Result]) -> Result:
        if self._functions is None:  # A context belongs to the thread that has made it.
            self._functions = JavaScriptFunctions(self._transforms)
        return work(self._functions)


def transformer(transforms: Iterable[MessageTransformPb]) -> Transformer | None:
    """Return a transformer, or None if no transform is enabled."""
    enabled = [each for each in transforms if not each.disabled]
    return Transformer(enabled) if enabled else None
