"""Serves the REST API, which calls the same methods as gRPC with JSON."""

import logging
from typing import Final, cast

from aiohttp import web

from localpubsub.api import rest_routes
from localpubsub.api.grpc_methods import internal_error_message
from localpubsub.api.rest_call import CallAborted, CallContext
from localpubsub.api.rest_json import HTTP_STATUS, decode, encode, error_body
from localpubsub.errors import InvalidArgument, RequestRejected, StoreFailure, Unimplemented, status_message
from localpubsub.protocol.calls import Context, Services, unary_methods

#: Maximum size of a request body in bytes. The error message of Google's servers states the same limit.
MAX_BODY: Final = 10 * 1024 * 1024
#: Maximum and default deadline of a call in seconds, because REST clients wait this long for a response.
MAX_CALL_SECONDS: Final = 60.0
#: The header in which Google's API clients send a call's deadline in seconds.
_DEADLINE_HEADER: Final = "X-Server-Timeout"

_log = logging.getLogger("localpubsub.api.rest")


class RestApi:
    """Serves ``/v1/…`` with the unary methods of ``services``."""

    def __init__(self, services: Services) -> None:
        self._methods = unary_methods(services)

    async def respond(self, request: web.Request) -> web.Response:
        """Respond to one request; the body is JSON in every case."""
        pretty = _parameter(request, "prettyPrint", "true") != "false"
        try:
            return await self._call_method(request, pretty=pretty)
        except (RequestRejected, StoreFailure, CallAborted) as error:
            _log.debug("request_rejected code=%s reason=%s", error.code, error)
            return _error(error.code, status_message(error), pretty=pretty)
        except web.HTTPRequestEntityTooLarge:
            message = f"Request payload size exceeds the limit: {MAX_BODY} bytes."
            return _error("INVALID_ARGUMENT", message, pretty=pretty)
        except web.RequestPayloadError:
            coding = request.headers.get("Content-Encoding", "none")
            message = f"The request payload is damaged: it cannot be decoded (Content-Encoding: {coding})."
            return _error("INVALID_ARGUMENT", message, pretty=pretty)
        except Exception as error:  # noqa: BLE001 - every error becomes an HTTP status
            _log.error("internal_error", exc_info=error)
            return _error("INTERNAL", internal_error_message(error), pretty=pretty)

    async def _call_method(self, request: web.Request, *, pretty: bool) -> web.Response:
        alt = _parameter(request, "alt", "json")
        if alt not in {"json", "json;enum-encoding=int"}:
            raise InvalidArgument(f"Invalid value for alt: {alt!r}. localpubsub responds in JSON only.")
        route = rest_routes.find(request.method, request.rel_url.raw_path)
        if route is None:
            message = f"No method of Pub/Sub has the path {request.method} {request.path}."
            return _error("NOT_FOUND", message, pretty=pretty)
        method = self._methods.get(route.method)
        if method is None:
            raise Unimplemented(f"localpubsub does not offer {route.method} yet.")
        decoded = decode(method.request, route, request.query.items(), await request.read())
        context = cast("Context", CallContext(_timeout(request)))
        response = await method.function(decoded, context)
        body = encode(response, enums_as_numbers=alt != "json", pretty=pretty)
        return _json(200, body)


def _parameter(request: web.Request, name: str, default: str) -> str:
    """Return a system parameter, whose name may begin with a dollar sign."""
    return request.query.get(f"${name}", request.query.get(name, default))


def _timeout(request: web.Request) -> float:
    try:
        return min(MAX_CALL_SECONDS, max(0.0, float(request.headers.get(_DEADLINE_HEADER, MAX_CALL_SECONDS))))
    except ValueError:
        return MAX_CALL_SECONDS


def _error(code: str, message: str, *, pretty: bool) -> web.Response:
    return _json(HTTP_STATUS[code], error_body(code, message, pretty=pretty))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")
