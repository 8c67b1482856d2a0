"""Dispatches crawls, and waits until the ledger has the expected numbers of jobs."""

from collections.abc import Callable
from functools import partial
from operator import ne
from typing import Any

import requests

from console.ledger.ledger import Accounting, DeadJob
from console.stack.services import DeliveryPolicy
from console.stack.stack import Stack
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

TITLE_RECIPE = {"name": "page", "fields": {"title": {"css": "title", "required": True}}}
#: Policy with short backoffs, and with so many attempts that the crashes of a journey do not use them up.
MANY_ATTEMPTS = DeliveryPolicy(
    max_delivery_attempts=100, minimum_backoff_seconds=1, maximum_backoff_seconds=2
)


def dispatch(
    dispatcher_url: str, urls: list[str], *, recipe: dict[str, Any] = TITLE_RECIPE, **fields: object
) -> str:
    """Post a crawl of `urls`; return its run_id. The function fails unless every URL becomes a job.

    Args:
        dispatcher_url: URL of the dispatcher.
        urls: URLs of the pages.
        recipe: recipe of the crawl.
        fields: additional fields of the crawl.
    """
    crawl = {"name": "journey", "sources": {"urls": urls}, "recipe": recipe} | fields
    response = requests.post(dispatcher_url, json=crawl, timeout=MAX_WAIT_SECONDS)
    assert response.status_code == 200, response.text
    dispatched: dict[str, Any] = response.json()
    assert dispatched["published"] == len(urls)
    return str(dispatched["run_id"])


def await_accounting(stack: Stack, run_id: str, reached: Callable[[Accounting], bool]) -> Accounting:
    """Return the accounting of a run when `reached(accounting)` is true.

    The rows of a dispatch arrive one after the other, and the first ones a moment after its response. So only
    a condition that names the number of jobs is not true too early.

    Raises:
        AssertionError: the accounting has not changed for MAX_WAIT_SECONDS.
    """
    now = stack.ledger.accounting(run_id)
    while not reached(now):
        now = wait_for(partial(stack.ledger.accounting, run_id), partial(ne, now), f"{run_id} makes progress")
    return now


def await_dead_jobs(stack: Stack, run_id: str, count: int) -> list[DeadJob]:
    """Return the dead jobs of a run when there are `count`, and the outcome with the reason of each."""
    return wait_for(
        partial(stack.ledger.dead_jobs, run_id),
        lambda found: len(found) == count and all(job.reason for job in found),
        f"{count} jobs are dead, each with its reason",
    )
