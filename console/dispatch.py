"""Posts a crawl to a dispatcher; a repeat after a failure makes the same jobs."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from pydantic import BaseModel, ValidationError

from console.errors import DispatchError
from contract.crawl import Crawl

PAUSES_SECONDS = (2.0, 4.0, 8.0)  #: before the second attempt and those after it
ANSWER_SECONDS = 1800.0  #: a dispatch may publish 100,000 jobs; Cloud Scheduler waits as long at most


class RejectedUrl(BaseModel):
    """A URL that became no job, and why."""

    url: str
    why: str


class DispatchResponse(BaseModel):
    """The dispatcher's answer.

    Attributes:
        published: jobs confirmed by Pub/Sub.
        duplicates: URLs whose page already had a job.
        over_limit: URLs past `limits.max_jobs`.
        rejected: URLs that are none, as many as the answer lists.
        rejected_count: all of them.
    """

    run_id: str
    published: int = 0
    duplicates: int = 0
    over_limit: int = 0
    rejected: list[RejectedUrl] = []
    rejected_count: int = 0


@dataclass(frozen=True)
class _Refusal:
    why: str
    may_pass: bool


def dispatch(
    crawl: Crawl,
    dispatcher_url: str,
    *,
    announce: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> DispatchResponse:
    """Post a crawl that has its run_id, again after a 503 or where nobody answers.

    Raises:
        DispatchError: with what the dispatcher said, or that nobody answered.
    """
    with requests.Session() as session:
        session.trust_env = "//127.0.0.1" not in dispatcher_url and "//localhost" not in dispatcher_url
        for seconds in (*PAUSES_SECONDS, None):
            answer = _post(session, crawl, dispatcher_url)
            if isinstance(answer, DispatchResponse):
                return answer
            if not answer.may_pass or seconds is None:
                raise DispatchError(answer.why)
            announce(f"{answer.why} Trying again in {seconds:g} s.")
            pause(seconds)
    raise AssertionError("the last attempt either returns or raises")


def _post(session: requests.Session, crawl: Crawl, url: str) -> DispatchResponse | _Refusal:
    document = crawl.model_dump(mode="json", exclude_defaults=True)
    try:
        answer = session.post(url, json=document, timeout=(10, ANSWER_SECONDS))
    except requests.exceptions.ConnectionError:
        return _Refusal(
            f"No dispatcher answers at {url}. `scrapeq up` starts one; --dispatcher names another.",
            may_pass=True,
        )
    except requests.RequestException as wrong:
        return _Refusal(f"The dispatcher at {url} could not be asked: {wrong}", may_pass=False)
    if answer.status_code == 200:
        try:
            return DispatchResponse.model_validate_json(answer.content)
        except ValidationError:
            return _Refusal(f"What answers at {url} is no dispatcher.", may_pass=False)
    return _Refusal(
        f"The dispatcher answered {answer.status_code}: {_error(answer)}", answer.status_code == 503
    )


def _error(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200] or "nothing"
