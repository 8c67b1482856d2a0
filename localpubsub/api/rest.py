"""The REST API: the same methods as over gRPC, through another door."""

import logging
from typing import Final, cast

from aiohttp import web

from localpubsub.api import rest_routes
from localpubsub.api.rest_call import Aborted, Call
from localpubsub.api.rest_json import HTTP_STATUS, decode, encode, error_body
from localpubsub.errors import InvalidArgument, RequestRejected, StoreFailure, Unimplemented
from localpubsub.protocol.calls import Context, Services, unary_methods

#: Bytes of a request's body (the sentence with which Google's servers refuse more names this number).
MAX_BODY: Final = 10 * 1024 * 1024
#: Seconds a call may take whose caller names no deadline: as long as clients of REST wait for an answer.
PATIENCE: Final = 60.0
_DEADLINE_HEADER: Final = "X-Server-Timeout"  #: seconds; Google's API clients send it

_log = logging.getLogger("localpubsub.api.rest")


class RestApi:
    """Answers ``/v1/…`` with the methods it is given, by name."""

    def __init__(self, services: Services) -> None:
        self._methods = unary_methods(services)

    async def answer(self, request: web.Request) -> web.Response:
        """One request, always answered in JSON."""
        pretty = _parameter(request, "prettyPrint", "true") != "false"
        try:
            return await self._answer(request, pretty=pretty)
        except (RequestRejected, StoreFailure, Aborted) as error:
            _log.debug("refused code=%s reason=%s", error.code, error)
            return _error(error.code, str(error), pretty=pretty)
        except web.HTTPRequestEntityTooLarge:
            sentence = f"Request payload size exceeds the limit: {MAX_BODY} bytes."
            return _error("INVALID_ARGUMENT", sentence, pretty=pretty)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            _log.error("a bug of localpubsub's", exc_info=error)
            return _error("INTERNAL", f"localpubsub has a bug: {error!r}. Its log says more.", pretty=pretty)

    async def _answer(self, request: web.Request, *, pretty: bool) -> web.Response:
        alt = _parameter(request, "alt", "json")
        if alt not in {"json", "json;enum-encoding=int"}:
            raise InvalidArgument(f"Invalid value for alt: {alt!r}. localpubsub answers in json only.")
        route = rest_routes.find(request.method, request.rel_url.raw_path)
        if route is None:
            sentence = f"No method of Pub/Sub has the path {request.method} {request.path}."
            return _error("NOT_FOUND", sentence, pretty=pretty)
        method = self._methods.get(route.method)
        if method is None:
            raise Unimplemented(f"localpubsub does not offer {route.method} yet.")
        given = decode(method.request, route, request.query.items(), await request.read())
        call = cast("Context", Call(_seconds(request)))
        response = await method.function(given, call)
        body = encode(response, enums_as_numbers=alt != "json", pretty=pretty)
        return _json(200, body)


def _parameter(request: web.Request, name: str, otherwise: str) -> str:
    """A system parameter, which may be spelled with a dollar."""
    return request.query.get(f"${name}", request.query.get(name, otherwise))


def _seconds(request: web.Request) -> float:
    try:
        return min(PATIENCE, max(0.0, float(request.headers.get(_DEADLINE_HEADER, PATIENCE))))
    except ValueError:
        return PATIENCE


def _error(code: str, sentence: str, *, pretty: bool) -> web.Response:
    return _json(HTTP_STATUS[code], error_body(code, sentence, pretty=pretty))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")
