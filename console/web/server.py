"""Serves the operator's page with gunicorn: one process with threads.

gunicorn's threads read a request without a time limit, so a client that sends single bytes would occupy a
thread for as long as it likes. The worker class of this module ends such a read. Flask's own server was not
taken: it starts a thread for each connection, and its documentation says that it is not for production
(https://flask.palletsprojects.com/en/stable/deploying/).
"""

import time
from typing import Any

import flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from console.web.app import create_app
from console.web.options import ConsoleOptions
from push_endpoint.read_deadlines import ReadDeadlines

THREADS = 16  #: number of requests that are served at the same time
READ_SECONDS = 30.0  #: seconds in which a request must have been received
MAX_CONNECTIONS = 200  #: number of connections, idle ones included
_DEADLINES = ReadDeadlines()


class DeadlineThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no type annotations
    """A worker with threads that ends the reading of a request that arrives too slowly."""

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn's own types, which it does not declare
        """Handle the next request of a connection; its reads end after `READ_SECONDS`."""
        with _DEADLINES.reading_until(time.monotonic() + READ_SECONDS, conn.sock):
            return super().handle(conn)


def _stop_acts(_server: object, worker: ThreadWorker) -> None:
    """Stop the acts that wait, before the process exits with their threads."""
    app = getattr(worker, "wsgi", None)
    if isinstance(app, flask.Flask):
        app.extensions["acts"].close()


class ConsoleServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no type annotations
    """gunicorn with the operator's page. `run()` returns when SIGTERM or SIGINT ends it."""

    def __init__(self, options: ConsoleOptions) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's settings."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        settings = {
            "bind": f"{host}:{self._options.port}",
            "worker_class": DeadlineThreadWorker,
            "workers": 1,  # the progress of acts is kept in this process
            "threads": THREADS,
            "worker_connections": MAX_CONNECTIONS,
            "graceful_timeout": 5,
            "keepalive": 20,
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "scrapeq console",
            "worker_exit": _stop_acts,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        """Return the application; called in the worker process."""
        return create_app(self._options)
