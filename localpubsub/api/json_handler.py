"""Makes handlers of aiohttp from functions that return JSON or raise the errors of localpubsub."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from aiohttp import web

from localpubsub.api.rest_json import HTTP_STATUS, error_body
from localpubsub.errors import InvalidArgument, RequestRejected, StoreFailure, status_message

MAX_BODY: Final = 10_000  #: Maximum bytes of a request body that ``json_body`` reads.

Json: TypeAlias = dict[str, Any]


def json_handler(
    function: Callable[[web.Request], Awaitable[Json]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that responds with what a function returns, or with its error as Google does."""

    async def handle(request: web.Request) -> web.Response:
        try:
            body = await function(request)
        except (RequestRejected, StoreFailure) as error:
            content = error_body(error.code, status_message(error))
            return web.Response(
                status=HTTP_STATUS[error.code], body=content, content_type="application/json", charset="utf-8"
            )
        return web.json_response(body, dumps=lambda value: json.dumps(value, indent=2))

    return handle


async def json_body(request: web.Request) -> Json:
    """Return the body of a request, a JSON object; an empty body is an empty object.

    Raises:
        InvalidArgument: the body is too large, or no JSON object.
    """
    body = await request.content.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise InvalidArgument(f"The request is larger than {MAX_BODY} bytes.")
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"The request is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidArgument("The request must be a JSON object.")
    return value
