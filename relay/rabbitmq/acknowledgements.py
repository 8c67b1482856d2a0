"""Acknowledges the messages of a channel of RabbitMQ, many with one frame."""

import asyncio

import pika


class Acknowledgements:
    """Acknowledges the messages of a channel, many with one frame.

    A frame for each message would cost a system call each. So those of one turn of the event loop are sent
    together; a frame with `multiple` acknowledges all messages up to one.

    Args:
        channel: the channel.
    """

    def __init__(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        self._settled: dict[int, bool] = {}
        self._is_due = False

    def add(self, tag: int) -> None:
        """Add a message that was received; `tag` is larger than those before."""
        self._settled[tag] = False

    def acknowledge(self, tag: int) -> None:
        """Acknowledge a message in this turn of the event loop."""
        self._settled[tag] = True
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.send)

    def reject(self, tag: int) -> None:
        """Return a message to its queue."""
        del self._settled[tag]
        self._channel.basic_nack(tag, requeue=True)

    def send(self) -> None:
        """Send what is due."""
        self._is_due = False
        if not self._channel.is_open:
            return
        last = 0
        for tag, is_settled in self._settled.items():
            if not is_settled:
                break
            last = tag
        if last:
            self._channel.basic_ack(last, multiple=True)
        settled = [tag for tag, is_settled in self._settled.items() if is_settled]
        for tag in settled:
            del self._settled[tag]
            if tag > last:
                self._channel.basic_ack(tag)
