"""A server inside the process that uses it: for tests, and for programs that bring their own Pub/Sub."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from localpubsub.event_loop import new_event_loop
from localpubsub.options import Options
from localpubsub.server import Server


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a running server is reached."""

    host: str  #: "127.0.0.1:PORT", the value for PUBSUB_EMULATOR_HOST
    certs_url: str  #: certificates of push tokens, for google-auth's ``verify_token(certs_url=...)``
    http_url: str  #: "http://127.0.0.1:PORT": REST API, state page, certificates
    data: Path | None  #: its data directory, None when ephemeral
    warehouse: Path  #: SQLite file of the BigQuery subscriptions; with ``ephemeral`` gone afterwards
    buckets: Path  #: directory of the Cloud Storage subscriptions; with ``ephemeral`` gone afterwards


@contextmanager
def running(**options: Any) -> Iterator[RunningServer]:  # noqa: ANN401 - Options checks its own fields
    """A server in a background thread, with its own event loop, until the ``with`` block ends.

    ::

        with localpubsub.running() as server:
            os.environ["PUBSUB_EMULATOR_HOST"] = server.host
            publisher = pubsub_v1.PublisherClient()

    Args:
        **options: fields of ``localpubsub.Options``. Unless given, ``port`` is 0 (a free one), and
        ``ephemeral`` is true if no ``data`` directory is named.

    Yields:
        RunningServer: ready to be used.

    Raises:
        CannotStart: a port or the data directory is taken; a sentence that says what to change.
    """
    chosen = Options(**{"port": 0, "ephemeral": "data" not in options, **options})
    started: Future[_Handle] = Future()

    async def serve() -> None:
        server = Server(chosen)
        try:
            await server.start()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            started.set_exception(error)
            return
        handle = _Handle(server, asyncio.get_running_loop(), asyncio.Event())
        started.set_result(handle)
        await handle.stopped.wait()
        await server.close()

    def work() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve())

    thread = Thread(target=work, name="localpubsub")
    thread.start()
    try:
        handle = started.result()
        try:
            serving = handle.server
            yield RunningServer(
                serving.host,
                serving.certs_url,
                serving.http_url,
                serving.data,
                serving.warehouse,
                serving.buckets,
            )
        finally:
            handle.loop.call_soon_threadsafe(handle.stopped.set)
    finally:
        thread.join()


@dataclass(frozen=True, slots=True)
class _Handle:
    server: Server
    loop: asyncio.AbstractEventLoop
    stopped: asyncio.Event
