"""Loads the messages of all subscriptions, before the server serves."""

from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.snapshots import Snapshots
from localpubsub.storage.store import Store


def load_messages(catalogue: Catalogue, snapshots: Snapshots, store: Store) -> None:
    """Load all backlogs, and start to remove the rows that belong to no backlog and no owner."""
    for number, subscription in catalogue.by_backlog.items():
        if subscription.ordered:
            subscription.backlog.add_ordering_keys(store.ordering_keys(number))
    for message_id, number, attempts in store.backlog():
        if found := catalogue.by_backlog.get(number):
            found.backlog.load(message_id, attempts)
    owners = {each.number for each in snapshots.snapshots.values()}
    owners.update(each.number for each in catalogue.subscriptions.values() if each.retains_acked)
    owners.update(each.number for each in catalogue.topics.values() if each.retains)
    catalogue.sweeper.sweep_unknown(store, catalogue.by_backlog, owners)
