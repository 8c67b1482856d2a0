"""Which event loop the server runs on."""

import asyncio
import sys
from typing import Final

#: uvloop where it exists.
_HAS_UVLOOP: Final = sys.platform != "win32" and sys.implementation.name == "cpython"


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop, the fastest that is installed."""
    if _HAS_UVLOOP:
        import uvloop  # noqa: PLC0415 - not installed everywhere

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
