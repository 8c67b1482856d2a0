"""Sends commands to Redis over a few connections that the threads of a process share.

In the worker, whose threads are greenlets of gevent, waiting for a reply stops no other greenlet.
"""

import time
from collections.abc import Sequence
from threading import BoundedSemaphore
from typing import Any

import redis
from redis import exceptions

from contract.broker_url import broker_address
from publishing.redis.connection import (
    CONNECT_SECONDS,
    NotConfirmed,
    accepts_loss,
    connection_parameters,
    not_confirmed,
)
from publishing.redis.durability import QUESTIONS, unsuitable

MAX_CONNECTIONS = 16  #: maximum number of connections of a process

Command = tuple[str | bytes, ...]


class Connections:
    """The connections of a process for publishing, which are opened when they are needed.

    Args:
        url: BROKER_URL.
    """

    def __init__(self, url: str) -> None:
        self._address = broker_address(url)
        self._accepts_loss = accepts_loss(url)
        self._parameters = connection_parameters(url, "scrapeq-publisher")
        self._type = redis.SSLConnection if self._address.scheme == "rediss" else redis.Connection
        self._places = BoundedSemaphore(MAX_CONNECTIONS)
        self._idle = list[redis.Connection]()
        self._is_closed = False

    def execute(self, commands: Sequence[Command], deadline: float) -> list[Any]:
        """Send commands together; return for each its reply, or `NotConfirmed`.

        Args:
            commands: the commands.
            deadline: until when to wait for the replies, monotonic seconds.
        """
        if not self._places.acquire(timeout=max(0.0, deadline - time.monotonic())):
            why = f"Redis at {self._address} is slow: no connection was free in time"
            return [NotConfirmed(why, is_transient=True, was_sent=False)] * len(commands)
        try:
            return self._execute(commands, deadline)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the connections; one that waits for replies ends after them."""
        self._is_closed = True
        while (connection := self._pop()) is not None:
            connection.disconnect()

    def _execute(self, commands: Sequence[Command], deadline: float) -> list[Any]:
        try:
            connection = self._idle_connection() or self._connect(deadline)
        except exceptions.RedisError as error:
            failure = not_confirmed(self._address, error)
            failure.was_sent = False
            return [failure] * len(commands)
        except NotConfirmed as error:
            return [error] * len(commands)
        replies = list[Any]()
        try:
            connection.update_current_socket_timeout(_remaining(deadline))
            connection.send_packed_command([b"".join(connection.pack_commands(commands))])
            for _ in commands:
                replies.append(self._read(connection, deadline))
        except exceptions.RedisError as error:
            failure = not_confirmed(self._address, error)
            replies += [failure] * (len(commands) - len(replies))
        finally:
            # If not all replies were read, the connection would give them to other commands.
            is_complete = len(replies) == len(commands)
            if is_complete and not self._is_closed and not any(_is_failure(each) for each in replies):
                self._idle.append(connection)
            else:
                connection.disconnect()
        return replies

    def _read(self, connection: redis.Connection, deadline: float) -> Any:  # noqa: ANN401 - any reply of Redis
        try:
            return connection.read_response(timeout=_remaining(deadline))
        except exceptions.ResponseError as error:
            return not_confirmed(self._address, error)

    def _idle_connection(self) -> redis.Connection | None:
        """Return a connection that Redis has not ended meanwhile."""
        while (connection := self._pop()) is not None:
            try:
                if not connection.can_read():
                    return connection
            except exceptions.RedisError:
                pass
            connection.disconnect()
        return None

    def _pop(self) -> redis.Connection | None:
        try:
            return self._idle.pop()  # another thread may take the last one between a check and this
        except IndexError:
            return None

    def _connect(self, deadline: float) -> redis.Connection:
        """Open a connection to a Redis that keeps what it confirms.

        Raises:
            NotConfirmed: if this Redis may lose messages.
            redis.exceptions.RedisError: if there is no connection.
        """
        if self._is_closed:
            raise NotConfirmed("the publisher was closed", is_transient=False, was_sent=False)
        seconds = min(CONNECT_SECONDS, _remaining(deadline))
        limits = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
        connection = self._type(**{**self._parameters, **limits})
        try:
            connection.connect()
            connection.send_packed_command(connection.pack_commands(QUESTIONS))
            answers = [self._answer(connection) for _ in QUESTIONS]
        except BaseException:
            connection.disconnect()
            raise
        if why := unsuitable(answers, accepts_loss=self._accepts_loss):
            connection.disconnect()
            raise NotConfirmed(f"Redis at {self._address} {why}", is_transient=True, was_sent=False)
        return connection

    def _answer(self, connection: redis.Connection) -> Any:  # noqa: ANN401 - any reply of Redis
        try:
            return connection.read_response()
        except exceptions.ResponseError as error:
            return error


def _remaining(deadline: float) -> float:
    """Return the seconds until a deadline; a little if it has passed, since 0 would mean not to wait."""
    return max(0.001, deadline - time.monotonic())


def _is_failure(reply: object) -> bool:
    return isinstance(reply, NotConfirmed)
