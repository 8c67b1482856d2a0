"""Serves what tests use to control the server: its clock, and faults of its methods."""

from math import isfinite
from typing import Final

from aiohttp import web

from localpubsub.api.injected_faults import InjectedFaults
from localpubsub.api.json_handler import Json, json_body, json_handler
from localpubsub.clock import Clock
from localpubsub.errors import InvalidArgument

MAX_ADVANCE: Final = 366 * 86_400  #: Maximum number of seconds by which one request advances the clock.


def routes(clock: Clock, faults: InjectedFaults) -> list[web.RouteDef]:
    """Return the routes ``POST /clock``, and ``GET``, ``POST`` and ``DELETE /faults``."""
    controls = _Controls(clock, faults)
    return [
        web.post("/clock", json_handler(controls.advance)),
        web.get("/faults", json_handler(controls.faults)),
        web.post("/faults", json_handler(controls.inject)),
        web.delete("/faults", json_handler(controls.clear)),
    ]


class _Controls:
    """The endpoints; each returns JSON, or raises RequestRejected."""

    def __init__(self, clock: Clock, faults: InjectedFaults) -> None:
        self._clock = clock
        self._faults = faults

    async def advance(self, request: web.Request) -> Json:
        """Let ``{"advance": seconds}`` pass at once; return ``{"now": seconds since the epoch}``."""
        seconds = (await json_body(request)).get("advance")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
            raise InvalidArgument("Invalid advance given: it must be a number of seconds.")
        if not 0 <= seconds <= MAX_ADVANCE:
            raise InvalidArgument(
                f"Invalid advance given (value={seconds}): it must be from 0 to {MAX_ADVANCE} seconds."
            )
        self._clock.advance(seconds)
        return {"now": self._clock.now()}

    async def inject(self, request: web.Request) -> Json:
        """Let the next calls fail, ``{"method": "Publish", "code": "UNAVAILABLE", "times": 2}``."""
        body = await json_body(request)
        method, code, times = (body.get("method"), body.get("code"), body.get("times", 1))
        if not isinstance(method, str) or not isinstance(code, str):
            raise InvalidArgument("A fault needs a method and a code: both are texts.")
        if isinstance(times, bool) or not isinstance(times, int):
            raise InvalidArgument("Invalid times given: it must be a whole number.")
        self._faults.inject(method, code, times)
        return await self.faults(request)

    async def faults(self, _: web.Request) -> Json:
        """Return the faults that have not happened yet."""
        return {"faults": self._faults.remaining()}

    async def clear(self, request: web.Request) -> Json:
        """Let no further call fail."""
        self._faults.clear()
        return await self.faults(request)
