"""Deletes and detaches subscriptions; their messages are removed from the disk afterwards, in slices."""

from typing import Final

from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import NotFound
from localpubsub.protocol.messages import Subscription as SubscriptionMessage

_DETACH: Final = "UPDATE subscription SET resource = ?, backlog = ? WHERE number = ?"


async def delete_subscription(catalogue: Catalogue, name: str) -> None:
    """Delete a subscription and all of its messages, as a task of the broker.

    Raises:
        NotFound: the subscription does not exist.
        StoreFailure: nothing was changed.
    """
    await catalogue.tasks.run(_delete(catalogue, catalogue.subscription(name)))


async def detach_subscription(catalogue: Catalogue, name: str) -> None:
    """Detach a subscription from its topic: its messages are dropped, and it gets no new messages.

    Raises:
        NotFound: the subscription does not exist.
        StoreFailure: nothing was changed.
    """
    await catalogue.tasks.run(_detach(catalogue, catalogue.subscription(name)))


async def _delete(catalogue: Catalogue, subscription: Subscription) -> None:
    """Delete a subscription with its messages, after a running seek."""
    async with subscription.lock:
        _check_exists(catalogue, subscription)
        catalogue.remove_subscription(subscription)
        number = catalogue.next_number()

        def done() -> None:
            subscription.deleted = True
            _drop_messages(catalogue, subscription, number)

        statement = ("DELETE FROM subscription WHERE number = ?", (subscription.number,))
        catalogue.journal.next.resources.append(statement)
        await catalogue.journal.commit_or(lambda: catalogue.add_subscription(subscription), done)


async def _detach(catalogue: Catalogue, subscription: Subscription) -> None:
    """Detach a subscription from its topic, after a running seek."""
    async with subscription.lock:
        _check_exists(catalogue, subscription)
        attached = subscription.resource
        resource = SubscriptionMessage.FromString(attached.SerializeToString())
        resource.detached = True
        catalogue.remove_subscription(subscription)
        subscription.resource = resource
        catalogue.add_subscription(subscription)
        number = catalogue.next_number()

        def undo() -> None:
            catalogue.remove_subscription(subscription)
            subscription.resource = attached
            catalogue.add_subscription(subscription)

        values = (resource.SerializeToString(), number, subscription.number)
        catalogue.journal.next.resources.append((_DETACH, values))
        await catalogue.journal.commit_or(undo, lambda: _drop_messages(catalogue, subscription, number))


def _check_exists(catalogue: Catalogue, subscription: Subscription) -> None:
    """Raise NotFound if the subscription was deleted while this task waited for its lock."""
    if catalogue.subscriptions.get(subscription.name) is not subscription:
        raise NotFound(subscription.name)


def _drop_messages(catalogue: Catalogue, subscription: Subscription, number: int) -> None:
    """Replace the backlog by an empty one with another number, and remove the rows of the old one."""
    for lease in list(subscription.backlog.outstanding.values()):
        lease.notify_holder()
    subscription.backlog = subscription.empty_backlog()
    dropped = subscription.backlog_number
    catalogue.set_backlog_number(subscription, number)
    catalogue.journal.next.forget_backlog(dropped)
    catalogue.journal.next.forget_owner(subscription.number)
    catalogue.sweeper.sweep("backlog", dropped)
    catalogue.sweeper.sweep("retained", subscription.number)
    subscription.wake()
    catalogue.notify_changed(subscription)
