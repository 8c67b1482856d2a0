"""What every journey does: dispatch a crawl, and wait for facts in the ledger."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from console.ledger.ledger import Accounting
from console.stack.stack import Stack

Read = TypeVar("Read")
TITLE = {"name": "page", "fields": {"title": {"css": "title", "required": True}}}


def dispatch(
    stack: Stack, urls: list[str], *, recipe: dict[str, Any] = TITLE, **changed: object
) -> dict[str, Any]:
    """Post a crawl of `urls` and return the dispatcher's answer, which must be that all are published."""
    crawl = {"name": "journey", "sources": {"urls": urls}, "recipe": recipe} | changed
    answer = requests.post(stack.dispatcher_url, json=crawl, timeout=60)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["published"] == len(urls)
    return told


def await_accounting(
    stack: Stack, run_id: str, reached: Callable[[Accounting], bool], seconds: float = 60
) -> Accounting:
    """Return the run's accounting once `reached` is true of it; fail with the last one after `seconds`."""
    return await_read(lambda: stack.ledger.accounting(run_id), reached, seconds)


def await_read(read: Callable[[], Read], reached: Callable[[Read], bool], seconds: float = 60) -> Read:
    """Return what is read of the ledger once `reached` is true of it: its tables fill independently."""
    until = time.monotonic() + seconds
    while not reached(found := read()):
        assert time.monotonic() < until, f"not reached within {seconds} s: {found}"
        time.sleep(0.05)
    return found
