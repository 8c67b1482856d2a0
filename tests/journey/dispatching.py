"""Dispatches crawls, and waits until the ledger has the expected numbers of jobs."""

from collections.abc import Callable
from typing import Any

import requests

from console.ledger.ledger import Accounting
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
    response = requests.post(dispatcher_url, json=crawl, timeout=120)
    assert response.status_code == 200, response.text
    dispatched: dict[str, Any] = response.json()
    assert dispatched["published"] == len(urls)
    return str(dispatched["run_id"])


def await_accounting(
    stack: Stack, run_id: str, reached: Callable[[Accounting], bool], seconds: float = MAX_WAIT_SECONDS
) -> Accounting:
    """Return the accounting of a run when `reached(accounting)` is true; fail after `seconds`."""
    return wait_for(lambda: stack.ledger.accounting(run_id), reached, run_id, seconds)
