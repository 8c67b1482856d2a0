"""Creates the queues of AWS SQS, and checks those that exist.

A subscription is a queue. SQS moves a message of a delivered queue to the dead-letter queue only if no relay
could settle it (`SPARE_RECEIVES`): its redrive policy knows one queue, and adds no reason.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from collections.abc import Iterable

from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC
from publishing.sqs.queues import Queues, SqsError
from publishing.sqs.sender import subscriptions_of
from relay.broker import CannotRelay
from relay.sqs.leases import LEASE_SECONDS
from relay.subscriptions import Subscription

#: How many more times than `--max-attempts` a message is received before SQS itself moves it.
SPARE_RECEIVES = 10
NO_PARTITIONS = (
    "SQS needs none: with FIFO queues (fifo=true in BROKER_URL) it keeps the order of each key itself, for"
    " any number of relays"
)
RETENTION_SECONDS = 14 * 24 * 3600  #: SQS's maximum; older messages are deleted, even if nobody received them
#: A FIFO queue with this mode has a throughput for each group, and not for the queue:
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
HIGH_THROUGHPUT = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


def create(url: str, subscriptions: Iterable[Subscription]) -> list[str]:
    """Create the queues; those that exist get the settings, and keep their messages. Return the names.

    Raises:
        CannotRelay: if SQS refuses.
    """
    queues = Queues(url)
    names = list[str]()
    try:
        # The redrive policy of a queue needs the dead-letter queue first.
        for subscription in sorted(subscriptions, key=lambda each: each.redelivery is not None):
            name = queues.name(subscription.name)
            _create(queues, name, _attributes(queues, subscription))
            names.append(name)
    except SqsError as error:
        raise CannotRelay(str(error)) from None
    finally:
        queues.close()
    return names


def _create(queues: Queues, name: str, attributes: dict[str, str]) -> None:
    try:
        queues.url(name)
    except SqsError as error:
        if not error.is_missing:
            raise
        fixed = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        queues.create(name, {**fixed, **attributes})
    else:
        queues.call("set_queue_attributes", name, Attributes=attributes)


def _attributes(queues: Queues, subscription: Subscription) -> dict[str, str]:
    attributes = {
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "VisibilityTimeout": str(LEASE_SECONDS),
    }
    if queues.name(subscription.name).endswith(".fifo"):
        attributes |= HIGH_THROUGHPUT
    if subscription.redelivery is not None:
        dead = queues.name(DEAD_LETTER_SUBSCRIPTION)
        found = queues.call("get_queue_attributes", dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": found["Attributes"]["QueueArn"],
            "maxReceiveCount": subscription.redelivery.max_attempts + SPARE_RECEIVES,
        }
        attributes["RedrivePolicy"] = json.dumps(policy)
    return attributes


def check(queues: Queues, subscription: Subscription) -> None:
    """Check that a relay can receive and settle the messages of a subscription.

    Raises:
        CannotRelay: if a queue or a permission is missing, if SQS would move messages before the relay does,
            or if SQS cannot be reached.
    """
    name, redelivery = queues.name(subscription.name), subscription.redelivery
    if redelivery is not None and redelivery.single_active and not queues.is_fifo:
        raise CannotRelay(
            "--single-active needs FIFO queues (fifo=true in BROKER_URL), since standard queues have no order"
        )
    try:
        for needed in [subscription.name, *subscriptions_of(DEAD_LETTER_TOPIC, {})]:
            queues.url(queues.name(needed))
        _check_permissions(queues, name)
        if redelivery is not None:
            _check_redrive(queues, name, redelivery.max_attempts)
    except SqsError as error:
        raise CannotRelay(str(error)) from None


def _check_permissions(queues: Queues, name: str) -> None:
    """Settle a message that does not exist, which fails; a missing permission is another error."""
    nothing = {"Id": "0", "ReceiptHandle": "none"}
    for action, entry in (
        ("delete_message_batch", nothing),
        ("change_message_visibility_batch", {**nothing, "VisibilityTimeout": 0}),
    ):
        try:
            queues.call(action, name, Entries=[entry])
        except SqsError as error:
            if error.is_denied or error.is_transient:
                raise


def _check_redrive(queues: Queues, name: str, max_attempts: int) -> None:
    try:
        found = queues.call("get_queue_attributes", name, AttributeNames=["RedrivePolicy"])
    except SqsError as error:
        if error.is_denied:
            return  # a relay needs no permission to read the settings
        raise
    policy = json.loads(found.get("Attributes", {}).get("RedrivePolicy", "{}"))
    receives = int(policy.get("maxReceiveCount", 0))
    if receives <= max_attempts:
        moved = f"after {receives} receives, without a reason" if receives else "never"
        raise CannotRelay(
            f"SQS moves messages of queue {name!r} to the dead-letter queue {moved}, but should after more "
            f"than {max_attempts} (--max-attempts): run python -m relay --create with the same --max-attempts"
        )
