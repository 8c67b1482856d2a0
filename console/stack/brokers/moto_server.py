"""Runs moto's server of SQS in a process of its own; it keeps its queues in memory.

Some things differ from AWS, and are mended here (moto 5.2):

- The server has threads, and its queues have no lock. A message that is sent while another one is deleted
  would be lost, and two receives at the same time could return the same message.
- A long poll turns in a loop, without a pause, while a message of the queue is invisible.
- Each message that is sent or received costs a look at the time for each message of the queue.

What is left differs as well: a FIFO queue knows the id of a message only until the message is deleted, and
not for five minutes.
"""

import sys
import threading
import time
from functools import wraps
from typing import Any

POLL_SECONDS = 0.02  #: pause between two looks at a queue during a long poll


def serve(port: int) -> None:
    """Serve SQS on a port of 127.0.0.1 until the process is killed."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - a second of imports
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from moto.sqs.models import Queue, SQSBackend  # noqa: PLC0415 - a second of imports
    from werkzeug.serving import run_simple  # noqa: PLC0415 - only the server needs it

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as those of AWS

        def log_request(self, *_: object) -> None:
            """Log nothing but errors."""

    lock_queues(SQSBackend)
    look_once_at_the_time(Queue)
    app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=Handler)


def lock_queues(backend: Any) -> None:  # noqa: ANN401 - moto has no annotations for mypy
    """Let one thread at a time use the queues, and a long poll wait between two looks."""
    lock = threading.RLock()

    def locked(method: Any) -> Any:  # noqa: ANN401 - as above
        @wraps(method)
        def call(*args: object, **kwargs: object) -> object:
            with lock:
                return method(*args, **kwargs)

        return call

    for name in (
        "create_queue",
        "set_queue_attributes",
        "get_queue_attributes",
        "send_message_batch",
        "delete_message_batch",
        "change_message_visibility_batch",
        "receive_message",
    ):
        setattr(backend, name, locked(getattr(backend, name)))
    receive_now = backend.receive_message

    def receive_message(
        self: object, queue: str, count: int, wait_seconds: int, visibility_timeout: int, *rest: object
    ) -> object:
        latest = time.monotonic() + wait_seconds
        while True:
            found = receive_now(self, queue, count, 0, visibility_timeout, *rest)
            if found or time.monotonic() >= latest:
                return found
            time.sleep(POLL_SECONDS)

    backend.receive_message = receive_message


def look_once_at_the_time(queue: Any) -> None:  # noqa: ANN401 - as above
    """Let the lists and counts of the messages of a queue take microseconds."""

    def messages(self: Any) -> list[Any]:  # noqa: ANN401 - as above
        now = 1000 * time.time()
        return [each for each in self._messages if now > each.visible_at and now >= each.delayed_until]

    def delayed(self: Any) -> int:  # noqa: ANN401 - as above
        now = 1000 * time.time()
        return sum(now < each.delayed_until for each in self._messages)

    def invisible(self: Any) -> int:  # noqa: ANN401 - as above
        now = 1000 * time.time()
        return sum(now <= each.visible_at for each in self._messages)

    queue.messages = property(messages)
    queue.approximate_number_of_messages_delayed = property(delayed)
    queue.approximate_number_of_messages_not_visible = property(invisible)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
