"""Sends commands to Redis over one connection of asyncio, which is opened again after each loss."""

import asyncio
from typing import Any

import redis.asyncio
from redis import exceptions

from contract.broker_url import broker_address
from publishing.redis.connection import accepts_loss, connection_parameters
from publishing.redis.durability import QUESTIONS, unsuitable

Command = tuple[str | bytes | int, ...]


class Unsuitable(Exception):
    """This Redis may lose messages, or cannot carry them; the text says why, and how to mend it."""


class Session:
    """A connection to a Redis that keeps what it confirms.

    Args:
        url: BROKER_URL.

    Attributes:
        address: where Redis listens.
        settings: the reply of the last check to `CONFIG GET`; see `publishing/redis/durability.py`.
    """

    def __init__(self, url: str) -> None:
        self.address = broker_address(url)
        self.settings: Any = None
        self._accepts_loss = accepts_loss(url)
        parameters = connection_parameters(url, "scrapeq-relay")
        is_tls = self.address.scheme == "rediss"
        self._connection: redis.asyncio.Connection = (
            redis.asyncio.SSLConnection(**parameters) if is_tls else redis.asyncio.Connection(**parameters)
        )
        self._is_checked = False

    async def open(self) -> None:
        """Connect if there is no connection, and check the settings of Redis.

        Raises:
            Unsuitable: if this Redis cannot carry messages.
            redis.exceptions.RedisError: if there is no connection.
        """
        if self._connection.is_connected and self._is_checked:
            return
        self._is_checked = False
        await self.close()
        await self._connection.connect()
        replies = await self._exchange(QUESTIONS)
        if why := unsuitable(replies, accepts_loss=self._accepts_loss):
            await self.close()
            raise Unsuitable(why)
        self.settings = replies[1]
        self._is_checked = True

    async def execute(self, *commands: Command) -> list[Any]:
        """Send commands together; return their replies, with exceptions in the place of errors.

        Args:
            commands: the commands; each reply may take `CONNECT_SECONDS`.

        Raises:
            Unsuitable: if this Redis cannot carry messages.
            redis.exceptions.RedisError: if the connection fails, or a reply comes too late. Redis may have
                carried out the commands.
        """
        await self.open()
        return await self._exchange(commands)

    async def close(self) -> None:
        """End the connection."""
        await self._connection.disconnect(nowait=True)

    async def _exchange(self, commands: tuple[Command, ...]) -> list[Any]:
        replies = list[Any]()
        try:
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
            for _ in commands:
                replies.append(await self._read())
        finally:
            if len(replies) < len(commands):
                # The rest would be taken for the replies to other commands.
                await asyncio.shield(self.close())
        return replies

    async def _read(self) -> Any:  # noqa: ANN401 - any reply of Redis
        try:
            # With its argument `timeout` it would return None after this time, as if that were the reply.
            # Without it, the connection's `socket_timeout` raises TimeoutError, and ends the connection.
            return await self._connection.read_response()
        except exceptions.ResponseError as error:
            return error
