"""Runs operations as tasks of the broker, which continue if the caller is cancelled.

A call is cancelled when its client's deadline passes or its connection ends. An operation that awaits several
times must not end halfway then, because memory and disk would differ.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from localpubsub.errors import LocalPubsubError

Result = TypeVar("Result")

_log = logging.getLogger("localpubsub.broker.background_tasks")


class BackgroundTasks:
    """The running tasks of one broker."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, operation: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start an operation, and log its error if it is not a LocalPubsubError."""
        task = asyncio.get_running_loop().create_task(operation)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    async def run(self, operation: Coroutine[Any, Any, Result]) -> Result:
        """Run an operation and return its result; if the caller is cancelled, the operation continues."""
        return await asyncio.shield(self.start(operation))

    async def join(self) -> None:
        """Wait until no operation is running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self, seconds: float) -> None:
        """Wait this long for the running operations, and cancel those that are still running."""
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, LocalPubsubError):
            _log.error("internal_error", exc_info=error)
