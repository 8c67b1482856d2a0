"""Runs a server in a background thread, for tests and for programs that embed Pub/Sub."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from localpubsub.event_loop import new_event_loop
from localpubsub.options import Options
from localpubsub.server import Server


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The addresses and files of a running server.

    With the option ``ephemeral``, the files of export subscriptions are deleted when the server stops.
    """

    host: str  #: The gRPC address "127.0.0.1:PORT", which is the value for PUBSUB_EMULATOR_HOST.
    #: URL of the certificates of push tokens, for google-auth's ``verify_token(certs_url=...)``.
    certs_url: str
    http_url: str  #: "http://127.0.0.1:PORT", the URL of the REST API and the state page.
    data: Path | None  #: The data directory; None with the option ``ephemeral``.
    warehouse: Path  #: The SQLite file that BigQuery subscriptions write.
    buckets: Path  #: The directory of the buckets that Cloud Storage subscriptions write.
    _handle: "_Handle" = field(repr=False)

    def advance(self, seconds: float) -> None:
        """Let this many seconds of the server's time pass at once, and return.

        Leases, backoffs and retention that end within this time end in their order. So a test of a redelivery
        after ten minutes need not wait. Subscribers and endpoints have no time to respond meanwhile.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        passed: Future[None] = Future()

        def advance() -> None:
            try:
                self._handle.server.clock.advance(seconds)
            except ValueError as error:
                passed.set_exception(error)
            else:
                passed.set_result(None)

        self._handle.loop.call_soon_threadsafe(advance)
        passed.result()


@contextmanager
def running(**options: Any) -> Iterator[RunningServer]:  # noqa: ANN401 - the dataclass Options defines the names and types
    """Run a server in a background thread, with a separate event loop, until the ``with`` block ends.

    ::

        with localpubsub.running() as server:
            os.environ["PUBSUB_EMULATOR_HOST"] = server.host
            publisher = pubsub_v1.PublisherClient()

    Args:
        **options: fields of ``localpubsub.Options``. By default, ``port`` is 0 (a free port is chosen), and
            ``ephemeral`` is true if no ``data`` directory is given.

    Yields:
        RunningServer: the addresses of the server, which already accepts requests.

    Raises:
        CannotStart: the server cannot start with these options, for example because a port or the data
            directory is in use; the message says what to change.
    """
    complete_options = Options(**{"port": 0, "ephemeral": "data" not in options, **options})
    started: Future[_Handle] = Future()

    async def serve() -> None:
        server = Server(complete_options)
        try:
            await server.start()
        except BaseException as error:  # noqa: BLE001 - the calling thread raises the error again
            started.set_exception(error)
            return
        handle = _Handle(server, asyncio.get_running_loop(), asyncio.Event())
        started.set_result(handle)
        await handle.stopped.wait()
        await server.close()

    def run_event_loop() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve())

    thread = Thread(target=run_event_loop, name="localpubsub")
    thread.start()
    try:
        handle = started.result()
        try:
            server = handle.server
            yield RunningServer(
                server.host,
                server.certs_url,
                server.http_url,
                server.data,
                server.warehouse,
                server.buckets,
                handle,
            )
        finally:
            handle.loop.call_soon_threadsafe(handle.stopped.set)
    finally:
        thread.join()


@dataclass(frozen=True, slots=True)
class _Handle:
    """The server and the objects that the calling thread needs to stop it."""

    server: Server
    loop: asyncio.AbstractEventLoop
    stopped: asyncio.Event
