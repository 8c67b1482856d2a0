"""Encodes the labels of a topic, for a broker whose topics have none and that keeps this record instead."""

import json
from collections.abc import Mapping

MAX_LABELS_BYTES = 100_000  #: maximum size of a record; 64 labels have less than 10 kB


class NoLabels(Exception):
    """The labels cannot be read; the text says why."""


def encode_labels(labels: Mapping[str, str]) -> bytes:
    """Return the record of the labels."""
    return json.dumps(dict(labels), sort_keys=True).encode()


def decode_labels(record: bytes) -> dict[str, str]:
    """Return the labels of a record.

    Raises:
        NoLabels: if `encode_labels` has not returned it.
    """
    try:
        labels = json.loads(record) if len(record) <= MAX_LABELS_BYTES else None
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise NoLabels("the record of the labels is not one of Scrapeq's")
    return labels
