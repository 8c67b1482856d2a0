"""Deletes all resources and messages of a server, for tests."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.errors import NotFound


async def delete_all(broker: Broker) -> dict[str, int]:
    """Delete every snapshot, subscription, topic and schema; return how many of each were deleted.

    Resources that are created meanwhile may remain.

    Raises:
        StoreFailure: some resources were not deleted.
    """
    catalogue = broker.catalogue
    return {
        "snapshots": await _delete(broker.snapshots.snapshots, broker.snapshots.delete),
        "subscriptions": await _delete(catalogue.subscriptions, partial(delete_subscription, catalogue)),
        "topics": await _delete(catalogue.topics, catalogue.delete_topic),
        "schemas": await _delete(catalogue.schemas.revisions, catalogue.delete_schema),
    }


async def _delete(names: Iterable[str], delete: Callable[[str], Coroutine[Any, Any, None]]) -> int:
    """Delete resources together, so that they are in few transactions; return their number."""
    results = await asyncio.gather(*map(delete, list(names)), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, NotFound):  # Another request may have deleted the resource.
            raise failure
    return len(results) - len(failures)
