"""Ends reads from connections at a deadline, with one thread for all of them."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHECK_SECONDS = 1.0  #: a read ends at most as long after its deadline, if the machine is not busy


class ReadDeadlines:
    """The reads that are under way in this process.

    A timeout of the socket would bound only one `recv`, and a server calls it until a read is complete, so a
    client that sends single bytes would occupy a thread or a concurrency slot for as long as it likes. A
    `threading.Timer` for each read would cost more than the usual read.
    """

    def __init__(self) -> None:
        self._reads = dict[object, tuple[float, socket.socket]]()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def reading_until(self, ends_at: float, connection: socket.socket | None) -> Iterator[None]:
        """Read from a connection; at `ends_at`, in monotonic seconds, its reads end as if it were closed.

        Args:
            ends_at: the deadline.
            connection: the connection; None if the server does not tell it. Then nothing is ended.
        """
        if connection is None:
            yield
            return
        self._ensure_started()
        key = object()
        self._reads[key] = (ends_at, connection)
        try:
            yield
        finally:
            del self._reads[key]

    def _ensure_started(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="read-deadlines", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_SECONDS)
            now = time.monotonic()
            for ends_at, connection in list(self._reads.values()):
                if now >= ends_at:
                    shut_down_reading(connection)


def shut_down_reading(connection: socket.socket) -> None:
    """Let reads from a connection end, as if the client had closed it; a response can still be sent."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
