"""Makes the event loop on which the server runs."""

import asyncio
import sys
from typing import Final

#: Whether uvloop exists for this platform and interpreter.
_HAS_UVLOOP: Final = sys.platform != "win32" and sys.implementation.name == "cpython"


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's if it exists for this platform, otherwise asyncio's."""
    if _HAS_UVLOOP:
        import uvloop  # noqa: PLC0415 - uvloop is not installed on every platform

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
