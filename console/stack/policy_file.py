"""Keeps the policies of the last `scrapeq up` in its data directory, so that other commands can use them."""

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from console.private_files import private_opener
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions

NAME = "policy.json"
_DELIVERY = TypeAdapter(DeliveryPolicy)


def write_policy(options: StackOptions) -> None:
    """Write the policies of a stack to its data directory, which must exist."""
    document = {"ack_policy": options.ack_policy, "delivery": asdict(options.delivery)}
    with open(options.data / NAME, "w", encoding="utf-8", opener=private_opener) as file:
        json.dump(document, file)


def read_policy(data: Path) -> tuple[AckPolicy, DeliveryPolicy]:
    """Return the policies of the last stack in a data directory; the defaults if there was none."""
    try:
        document = json.loads((data / NAME).read_text(encoding="utf-8"))
        return AckPolicy(document["ack_policy"]), _DELIVERY.validate_python(document["delivery"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return AckPolicy.SUCCESS, DeliveryPolicy()
