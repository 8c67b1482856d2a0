"""Makes the ids of messages, for brokers that leave this to the publisher."""

import uuid


def new_message_id() -> str:
    """Return an id that no other message has."""
    return uuid.uuid4().hex
