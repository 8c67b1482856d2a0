"""Reads a BROKER_URL of AWS SQS: the region, the endpoint, and how the queues are named. Pure.

- `sqs://eu-central-1/` is SQS in a region.
- `sqs://eu-central-1/production?fifo=true` has FIFO queues whose names begin with `production-`.
- `sqs+http://127.0.0.1:5000/` and `sqs+https://…` are another server with the API of SQS, or an endpoint of
  a VPC. `?region=…` is the region that requests are signed for.

The credentials are those that boto3 finds, and never in the URL:
https://docs.aws.amazon.com/boto3/latest/guide/credentials.html
"""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl

from contract.faults import ConfidentialFault

EXAMPLE = "for example sqs://eu-central-1/ or sqs+http://127.0.0.1:5000/"
DEFAULT_REGION = "us-east-1"  #: region that requests to another server are signed for
#: Longest prefix of the names of queues. A name has at most 80 characters, and the longest one without a
#: prefix has 22: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
MAX_PREFIX_CHARACTERS = 50

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
_ADDRESS = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_PREFIX = re.compile(rf"[A-Za-z0-9_-]{{0,{MAX_PREFIX_CHARACTERS}}}")


class SqsUrl(NamedTuple):
    """Where the queues are, and what they are called.

    Attributes:
        region: the AWS region.
        endpoint: the URL of another server; `""` for that of AWS in the region.
        host: the server's host name or address.
        port: the server's TCP port; None if the URL has none.
        prefix: what the names of the queues begin with; `""` for nothing.
        is_fifo: whether the queues that a relay delivers are FIFO queues.
    """

    region: str
    endpoint: str
    host: str
    port: int | None
    prefix: str
    is_fifo: bool


def read_sqs_url(parts: SplitResult) -> SqsUrl:
    """Return the meaning of a URL whose scheme is `sqs`, `sqs+http` or `sqs+https`.

    Raises:
        ConfidentialFault: if it is invalid. The message does not repeat the URL, which may have a password.
        ValueError: if its port is no number.
    """
    if "@" in parts.netloc:
        raise ConfidentialFault(
            "must not have credentials for SQS; boto3 finds them, for example in a profile"
        )
    if not parts.hostname or not _ADDRESS.fullmatch(parts.netloc):
        raise ConfidentialFault(f"has neither a region nor a host, {EXAMPLE}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(query)
    is_region = parts.scheme == "sqs"
    known = {"fifo"} if is_region else {"fifo", "region"}
    if not options.keys() <= known or len(options) < len(query) or parts.fragment:
        raise ConfidentialFault(f"may have only these parameters, each once: {', '.join(sorted(known))}")
    if options.get("fifo", "false") not in {"true", "false"}:
        raise ConfidentialFault("must have fifo=true or fifo=false")
    region = parts.hostname if is_region else options.get("region", DEFAULT_REGION)
    if not _REGION.fullmatch(region) or (is_region and parts.port is not None):
        raise ConfidentialFault(f"has no AWS region such as eu-central-1, {EXAMPLE}")
    prefix = parts.path.strip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ConfidentialFault(
            f"may have a prefix for the names of the queues as its path: at most {MAX_PREFIX_CHARACTERS} "
            "letters, digits, hyphens and underscores"
        )
    is_fifo = options.get("fifo") == "true"
    if is_region:
        suffix = ".cn" if region.startswith("cn-") else ""
        return SqsUrl(region, "", f"sqs.{region}.amazonaws.com{suffix}", None, prefix, is_fifo)
    endpoint = f"{parts.scheme.removeprefix('sqs+')}://{parts.netloc}"
    return SqsUrl(region, endpoint, parts.hostname, parts.port, prefix, is_fifo)
