"""Says into which table the messages of each subscription are written, and how.

The rows are made by localpubsub's BigQuery subscriptions, with the configuration that they have on Pub/Sub
(contract/ledger/README.md).
"""

from collections.abc import Iterator
from typing import Final

from contract.topology import (
    COLUMN_TOPICS,
    LEDGER_DATASET,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    REJECTED_TABLE,
)
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.protocol.messages import BigQueryConfig, PubsubMessage
from relay.subscriptions import Subscription, pulled

#: Attribute of a row of the rejected messages: why the table of their subscription does not accept them.
REJECTED_BECAUSE: Final = "rejected_because"


def ledger_subscriptions() -> Iterator[tuple[Subscription, RowPlan]]:
    """Yield each subscription of the ledger, and the plan of its rows."""
    names = set(LEDGER_SUBSCRIPTIONS.values())
    for subscription in pulled():
        if subscription.name in names:
            table = LEDGER_TABLES[subscription.topic]
            yield subscription, _plan(subscription, table, has_columns=subscription.topic in COLUMN_TOPICS)


def rejected_plan(subscription: Subscription) -> RowPlan:
    """Return the plan of the messages of a subscription that its table does not accept.

    They are stored as bytes, which every message is.
    """
    return _plan(subscription, REJECTED_TABLE, has_columns=False)


def rejected_record(record: bytes, reason: str) -> bytes:
    """Return an encoded message with the reason why it was rejected as a further attribute."""
    message = PubsubMessage.FromString(record)
    message.attributes[REJECTED_BECAUSE] = reason
    return bytes(message.SerializeToString())


def _plan(subscription: Subscription, table: str, *, has_columns: bool) -> RowPlan:
    config = BigQueryConfig(
        table=f"relay.{LEDGER_DATASET}.{table}",
        write_metadata=True,
        use_table_schema=has_columns,
        drop_unknown_fields=has_columns,
    )
    return RowPlan(config, subscription.name)
