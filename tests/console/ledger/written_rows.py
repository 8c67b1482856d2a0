"""Writes rows into a ledger as `scrapeq ledger` does."""

from collections.abc import Iterable
from datetime import datetime

from localpubsub.protocol.messages import PubsubMessage
from relay.ledger.row_plans import ledger_subscriptions
from relay.ledger.tables import LedgerTables
from tests.console.ledger.rows import Row


def write_rows(tables: LedgerTables, rows: Iterable[Row]) -> None:
    """Write rows as `scrapeq ledger` does, and close the ledger."""
    plans = {subscription.topic: plan for subscription, plan in ledger_subscriptions()}
    for row in rows:
        message = PubsubMessage(data=row.data, attributes=row.attributes, message_id=row.message_id)
        message.publish_time.FromDatetime(datetime.fromisoformat(row.publish_time))
        assert tables.write(plans[row.topic], [message.SerializeToString()]) == [""]
    tables.close()
