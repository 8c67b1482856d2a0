"""Parses the short form of topics and subscriptions: one text for each project. Pure: text in, values out.

``shop,orders,invoices:billing:audit`` stands for the topics ``orders`` and ``invoices`` of the project
``shop``, and for the subscriptions ``billing`` and ``audit`` of the topic ``invoices``.
``billing+http://127.0.0.1:5000/push`` is a push subscription. Images of the official emulator read this form
from the environment variables ``PUBSUB_PROJECT1``, ``PUBSUB_PROJECT2`` and so on. They expect ``#`` or ``|``
instead of a colon in an endpoint, and no ``http://``; both spellings are accepted here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from localpubsub.errors import CannotStart
from localpubsub.setup.file import SetupEntry

_VARIABLE: Final = re.compile(r"PUBSUB_PROJECT_?([0-9]+)")
#: A colon between two names: one that a letter follows, since names begin with a letter. Others belong to
#: an endpoint: to its scheme, its port, or an IPv6 address, which is in brackets.
_SEPARATOR: Final = re.compile(r":(?![^\[\]]*\])(?=[A-Za-z]|$)")


def of_environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of ``PUBSUB_PROJECT1``, ``PUBSUB_PROJECT2``, …, in the order of their numbers."""
    matches = {name: match for name in environment if (match := _VARIABLE.fullmatch(name))}
    return tuple(
        environment[name] for name in sorted(matches, key=lambda name: (int(matches[name][1]), name))
    )


def from_projects(texts: Sequence[str]) -> list[SetupEntry]:
    """Return the topics and subscriptions for which texts in the short form stand.

    Raises:
        CannotStart: a project, topic or subscription has no name; the message quotes the text.
    """
    return [entry for text in texts for entry in _entries(text)]


def _entries(text: str) -> Iterator[SetupEntry]:
    project, *topics = (part.strip() for part in re.sub(r"\s+", "", text).split(","))
    for part in topics:
        topic, *subscriptions = _SEPARATOR.split(part)
        name = _full_name(text, project, "topics", topic)
        yield SetupEntry(f"project {text!r}", "topics", {"name": name})
        for subscription in subscriptions:
            short, _, endpoint = subscription.partition("+")
            fields = {"name": _full_name(text, project, "subscriptions", short), "topic": name}
            push = {"pushConfig": {"pushEndpoint": _url(endpoint)}} if endpoint else {}
            yield SetupEntry(f"project {text!r}", "subscriptions", fields | push)


def _full_name(text: str, project: str, collection: str, name: str) -> str:
    if not project or not name:
        form = "PROJECT,TOPIC,TOPIC:SUBSCRIPTION:SUBSCRIPTION+ENDPOINT"
        raise CannotStart(f"project {text!r}: a name is missing; write {form}")
    return f"projects/{project}/{collection}/{name}"


def _url(endpoint: str) -> str:
    endpoint = re.sub(r"[#|]", ":", endpoint)
    return endpoint if "://" in endpoint else f"http://{endpoint}"
