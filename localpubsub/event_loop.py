"""Makes the event loop on which the server runs, and handles signals on it."""

import asyncio
import signal
from collections.abc import Callable


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's if it is installed, otherwise asyncio's.

    uvloop exists for CPython on POSIX systems only.
    """
    try:
        import uvloop  # noqa: PLC0415 - uvloop is not installed on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def on_signal(name: str, callback: Callable[[], object]) -> None:
    """Call ``callback`` on the running event loop whenever the process gets a signal.

    Args:
        name: the name of the signal, such as SIGTERM. Nothing happens if the platform has no such signal, as
            Windows has no SIGHUP.
        callback: the function to call.
    """
    number = getattr(signal, name, None)
    if number is None:
        return
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(number, callback)
    except NotImplementedError:  # by the event loops of Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))
