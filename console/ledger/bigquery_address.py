"""Reads the address of a deployment's ledger, `LEDGER=bigquery://PROJECT/DATASET`. Pure."""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from console.errors import UsageError

#: Number of days that are read, unless the address says otherwise. A job ends within 7 days, and its dead
#: letter is kept for at most 31 more, so this contains all jobs that are not done.
DEFAULT_DAYS: Final = 38
MAX_DAYS: Final = 3650
DEFAULT_MAX_GIB: Final = 100  #: maximum number of GiB that BigQuery may bill for one query
#: Prefix of the names of topics, as Terraform's `topic_prefix` and contract/topology.py have it.
DEFAULT_TOPICS: Final = "scrape"
SYNTAX: Final = "bigquery://PROJECT/DATASET, with ?days=N, &max_gib=N and &topics=PREFIX if needed"


class BigQueryAddress(NamedTuple):
    """Which deployment a command is about.

    Attributes:
        project: id of the project that has the dataset and the topics.
        dataset: name of the dataset.
        days: number of days that are read.
        max_gib: maximum number of GiB that BigQuery may bill for one query.
        topics: prefix of the names of the topics and subscriptions.
    """

    project: str
    dataset: str
    days: int = DEFAULT_DAYS
    max_gib: int = DEFAULT_MAX_GIB
    topics: str = DEFAULT_TOPICS


def read_bigquery_address(address: str) -> BigQueryAddress:
    """Return what an address of the form `SYNTAX` names.

    Raises:
        UsageError: the address is invalid.
    """
    parts = urlsplit(address)
    dataset = parts.path.strip("/")
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if not re.fullmatch(r"[\w:.-]+", parts.netloc) or not re.fullmatch(r"\w{1,1024}", dataset):
        raise UsageError(f"LEDGER={address} names no dataset. Write {SYNTAX}.")
    if unknown := options.keys() - {"days", "max_gib", "topics"}:
        raise UsageError(f"LEDGER={address} has an unknown part {min(unknown)}. Write {SYNTAX}.")
    days = _number(address, "days", options.get("days", str(DEFAULT_DAYS)), MAX_DAYS)
    max_gib = _number(address, "max_gib", options.get("max_gib", str(DEFAULT_MAX_GIB)), 1024**2)
    topics = options.get("topics", DEFAULT_TOPICS)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,38}[a-z0-9]", topics):
        raise UsageError(f"LEDGER={address}: topics must be the topic_prefix of the stack, such as scrape.")
    return BigQueryAddress(parts.netloc, dataset, days, max_gib, topics)


def _number(address: str, name: str, text: str, maximum: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= maximum:
        raise UsageError(f"LEDGER={address}: {name} must be a number from 1 to {maximum}.")
    return int(text)
