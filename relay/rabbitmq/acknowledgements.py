"""Acknowledges the messages of a channel of RabbitMQ, many with one frame."""

import asyncio
from collections.abc import Callable

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
        self._is_held = False
        self._drained: Callable[[], None] | None = None
        self._last_to_settle = 0

    def add(self, tag: int) -> None:
        """Add a message that was received; `tag` is larger than those before."""
        self._settled[tag] = False

    def acknowledge(self, tag: int) -> None:
        """Acknowledge a message in this turn of the event loop."""
        self._settled[tag] = True
        self._send_soon()

    def reject(self, tag: int) -> None:
        """Return a message to its queue."""
        del self._settled[tag]
        self._channel.basic_nack(tag, requeue=True)
        self._send_soon()

    def hold(self) -> None:
        """Send nothing until `resume`. So RabbitMQ sends no further messages once there are enough."""
        self._is_held = True

    def __len__(self) -> int:
        """Return the number of messages that RabbitMQ has sent, and for which no acknowledgement was sent."""
        return len(self._settled)

    def drain(self, drained: Callable[[], None]) -> None:
        """Call `drained` once all messages received so far are settled; `hold` must have been called."""
        self._drained = drained
        self._last_to_settle = next(reversed(self._settled), 0)
        self._send_soon()

    def resume(self) -> None:
        """Send what was held back."""
        self._is_held = False
        self._drained = None
        self.send()

    def send(self) -> None:
        """Send what is due."""
        self._is_due = False
        if not self._channel.is_open:
            return
        if self._is_held:
            self._report_drained()
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

    def _send_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.send)

    def _report_drained(self) -> None:
        oldest = next((tag for tag, is_settled in self._settled.items() if not is_settled), None)
        if self._drained is not None and (oldest is None or oldest > self._last_to_settle):
            drained, self._drained = self._drained, None
            drained()
