"""Ctrl-C, SIGTERM and a closed terminal, each as one KeyboardInterrupt, and where it must wait."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first of the signals, and ignore the rest: stopping takes a moment."""
    before = _replace(_interrupt_once)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the signals wait for the end of a few steps that belong together."""
    came = list[int]()
    before = _replace(lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        _restore(before)
        for number in came:
            signal.raise_signal(number)


def _interrupt_once(_number: int, _frame: FrameType | None) -> NoReturn:
    for sign in SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


def _replace(handler: Any) -> dict[signal.Signals, Any]:  # noqa: ANN401 - signal's own type is this wide
    """Install a handler for the signals that are not ignored (nohup ignores SIGHUP); return the old ones."""
    if threading.current_thread() is not threading.main_thread():
        return {}  # Python runs handlers in the main thread only, and only there they can be set
    heard = [sign for sign in SIGNALS if signal.getsignal(sign) is not signal.SIG_IGN]
    return {sign: signal.signal(sign, handler) for sign in heard}


def _restore(before: dict[signal.Signals, Any]) -> None:
    for sign, handler in before.items():
        signal.signal(sign, handler)
