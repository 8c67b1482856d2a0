"""Posts a crawl to a dispatcher. A repeated request makes the same jobs, so retries are safe."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from pydantic import ValidationError

from console.dispatch_response import DispatchResponse
from console.errors import DispatchError
from contract.crawl import Crawl

RETRY_DELAYS_SECONDS = (2.0, 4.0, 8.0)  #: seconds before each repeated request
CONNECT_TIMEOUT_SECONDS = 10.0
#: Maximum number of seconds until the response. It is long, because a dispatch may publish a million jobs.
#: Cloud Scheduler waits at most as long.
RESPONSE_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class _Failure:
    message: str
    is_transient: bool


def dispatch(
    crawl: Crawl,
    dispatcher_url: str,
    *,
    announce: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> DispatchResponse:
    """Post a crawl; repeat the request after a 503 or a failed connection.

    Args:
        crawl: the crawl; it must have a `run_id`, which makes the repeated request safe.
        dispatcher_url: URL of the dispatcher.
        announce: called with a sentence before each repeated request.
        sleep: waits the given number of seconds.

    Raises:
        DispatchError: the server refused the crawl, could not be reached, or is not a dispatcher.
    """
    with requests.Session() as session:
        # A proxy must not be used for the loopback interface.
        session.trust_env = "//127.0.0.1" not in dispatcher_url and "//localhost" not in dispatcher_url
        for delay in (*RETRY_DELAYS_SECONDS, None):
            response = _post(session, crawl, dispatcher_url)
            if isinstance(response, DispatchResponse):
                return response
            if not response.is_transient or delay is None:
                raise DispatchError(response.message)
            announce(f"{response.message} Trying again in {delay:g} s.")
            sleep(delay)
    raise AssertionError("the last attempt either returns or raises")


def _post(session: requests.Session, crawl: Crawl, url: str) -> DispatchResponse | _Failure:
    document = crawl.model_dump(mode="json", exclude_defaults=True)
    try:
        response = session.post(
            url, json=document, timeout=(CONNECT_TIMEOUT_SECONDS, RESPONSE_TIMEOUT_SECONDS)
        )
    except requests.exceptions.ConnectionError:
        return _Failure(
            f"No dispatcher answers at {url}. `scrapeq up` starts one; --dispatcher sets another URL.",
            is_transient=True,
        )
    except requests.RequestException as error:
        return _Failure(f"The request to the dispatcher at {url} failed: {error}", is_transient=False)
    if response.status_code == 200:
        try:
            return DispatchResponse.model_validate_json(response.content)
        except ValidationError:
            return _Failure(
                f"The server at {url} is not a dispatcher; --dispatcher sets another URL.", is_transient=False
            )
    message = f"The dispatcher answered {response.status_code}: {_error_text(response)}"
    return _Failure(message, is_transient=response.status_code == 503)


def _error_text(response: requests.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or "an empty body"
