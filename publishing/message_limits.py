"""Says which messages no broker can carry to the worker and the ledger; Pub/Sub has nearly the same limits.

A publisher refuses such a message, and a relay takes it for one of another program. Pure.
"""

from publishing.publisher import Message

MAX_DATA_BYTES = 10_000_000  #: as on Pub/Sub: https://cloud.google.com/pubsub/quotas#resource_limits
MAX_ATTRIBUTES = 100  #: as on Pub/Sub
MAX_NAME_BYTES = 255  #: of an attribute; one less than on Pub/Sub, so that the length fits into a byte
#: Maximum size of id, ordering key and attributes together. With the attributes of a dead letter they must
#: fit into 128 KiB, the largest header of a message in AMQP.
MAX_TEXT_BYTES = 100_000


def fault_of(message: Message, message_id: str = "") -> str:
    """Return what is wrong with a message, beginning with "it" or "its"; `""` if nothing."""
    attributes = message.attributes
    try:
        text_bytes = len(
            "".join([message_id, message.ordering_key, *attributes, *attributes.values()]).encode()
        )
    except TypeError:
        return "its attributes or its ordering_key are no texts"
    except UnicodeEncodeError:
        return "it has a lone surrogate, which UTF-8 cannot encode"
    for found, most, what in (
        (len(message.data), MAX_DATA_BYTES, "bytes of data"),
        (len(attributes), MAX_ATTRIBUTES, "attributes"),
        (text_bytes, MAX_TEXT_BYTES, "bytes of attributes"),
        (max((len(name.encode()) for name in attributes), default=0), MAX_NAME_BYTES, "bytes in a name"),
    ):
        if found > most:
            return f"it has {found} {what}; the maximum is {most}"
    return ""
