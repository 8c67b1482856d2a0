"""What every journey does: dispatch a crawl, and wait for facts in the ledger."""

from collections.abc import Callable
from typing import Any

import requests

from console.ledger.ledger import Accounting
from console.stack.services import DeliveryPolicy
from console.stack.stack import Stack
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

TITLE = {"name": "page", "fields": {"title": {"css": "title", "required": True}}}


def dispatch(
    stack: Stack, urls: list[str], *, recipe: dict[str, Any] = TITLE, **changed: object
) -> dict[str, Any]:
    """Post a crawl of `urls` and return the dispatcher's answer, which must be that all are published."""
    crawl = {"name": "journey", "sources": {"urls": urls}, "recipe": recipe} | changed
    answer = requests.post(stack.dispatcher_url, json=crawl, timeout=120)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["published"] == len(urls)
    return told


def await_accounting(
    stack: Stack, run_id: str, reached: Callable[[Accounting], bool], seconds: float = MAX_WAIT_SECONDS
) -> Accounting:
    """Return the run's accounting once `reached` is true of it; fail with the last one after `seconds`."""
    return wait_for(lambda: stack.ledger.accounting(run_id), reached, run_id, seconds)


# So many attempts that none of a journey's accidents uses them up, and backoffs that a test can wait for.
MANY_ATTEMPTS = DeliveryPolicy(
    max_delivery_attempts=100, minimum_backoff_seconds=1, maximum_backoff_seconds=2
)
