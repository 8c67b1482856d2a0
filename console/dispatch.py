"""Posts a crawl to a dispatcher. A repeated request makes the same jobs, so retries are safe."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from pydantic import BaseModel, ValidationError

from console.errors import DispatchError
from contract.crawl import Crawl

RETRY_DELAYS_SECONDS = (2.0, 4.0, 8.0)  #: seconds before each repeated request
CONNECT_TIMEOUT_SECONDS = 10.0
#: Maximum number of seconds until the response. It is long, because a dispatch may publish a million jobs.
#: Cloud Scheduler waits at most as long.
RESPONSE_TIMEOUT_SECONDS = 1800.0


class RejectedUrl(BaseModel):
    """A URL of the crawl for which no job was made, or a part of a source that was not read.

    Attributes:
        url: the URL.
        why: the reason.
    """

    url: str
    why: str


class SourceCounts(BaseModel):
    """What became of the URLs of one source of the crawl.

    Attributes:
        source: the path of its field in the crawl, for example `sources.sitemap`.
        found: number of its URLs that were read.
        published: number of jobs that Pub/Sub confirmed.
        duplicates: number of URLs of pages for which the crawl already had a job.
        rejected: number of invalid URLs.
        filtered: number of URLs that `include` and `exclude` left out.
        outdated: number of URLs that `since` left out.
        over_limit: number of URLs beyond `limits.max_jobs`.
        unread: number of its parts that were not read, or not completely.
    """

    source: str
    found: int = 0
    published: int = 0
    duplicates: int = 0
    rejected: int = 0
    filtered: int = 0
    outdated: int = 0
    over_limit: int = 0
    unread: int = 0


class DispatchResponse(BaseModel):
    """The dispatcher's response to a crawl.

    Attributes:
        run_id: id of the run.
        published: number of jobs that Pub/Sub confirmed.
        duplicates: number of URLs of pages for which the crawl already had a job.
        over_limit: number of URLs beyond `limits.max_jobs`.
        rejected: the first invalid URLs, each with the reason.
        rejected_count: number of all invalid URLs, including those that are not in `rejected`.
        filtered: number of URLs that `include` and `exclude` left out.
        outdated: number of URLs that `since` left out.
        outdated_sitemaps: number of listed sitemaps that were not read because of `since`.
        unread: the first parts of sources that were not read, or not completely, each with the reason.
        unread_count: number of all of them.
        sources: the counts of each source.
        continues: whether the dispatch continues in a further request, whose counts are not known yet.
    """

    run_id: str
    published: int = 0
    duplicates: int = 0
    over_limit: int = 0
    rejected: list[RejectedUrl] = []
    rejected_count: int = 0
    filtered: int = 0
    outdated: int = 0
    outdated_sitemaps: int = 0
    unread: list[RejectedUrl] = []
    unread_count: int = 0
    sources: list[SourceCounts] = []
    continues: bool = False


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
