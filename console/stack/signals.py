"""Converts SIGINT, SIGTERM and SIGHUP to one KeyboardInterrupt, or delays them during a code block."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal; ignore later ones, which would interrupt the cleanup."""
    previous = _install(_interrupt_once)
    try:
        yield
    finally:
        _restore(previous)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay signals until the block has ended, then raise them."""
    received = list[int]()
    previous = _install(lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        _restore(previous)
        for number in received:
            signal.raise_signal(number)


def _interrupt_once(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _install(handler: Any) -> dict[signal.Signals, Any]:  # noqa: ANN401 - signal's own type is private
    """Install a handler for all signals that are not ignored; return the old handlers.

    A signal may be ignored, for example SIGHUP by nohup.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}  # Python allows signal handlers in the main thread only
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def _restore(previous: dict[signal.Signals, Any]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler)
