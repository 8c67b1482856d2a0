"""The conditions of the filter language, which are checked against the attributes of a message.

https://cloud.google.com/pubsub/docs/subscription-message-filter. Keys and values are compared exactly.
AND and OR cannot be mixed without parentheses; NOT (or ``-``) binds closest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_FILTER_BYTES: Final = 256  #: Bytes of a filter: https://cloud.google.com/pubsub/quotas#resource_limits


class Condition(Protocol):
    """A condition on the attributes of a message."""

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """Return whether a message with these attributes passes the filter."""


@dataclass(frozen=True, slots=True)
class Has:
    """``attributes:key``: the message has the attribute, with any value."""

    key: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes


@dataclass(frozen=True, slots=True)
class Equals:
    """``attributes.key = "value"``."""

    key: str
    value: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes and attributes[self.key] == self.value


@dataclass(frozen=True, slots=True)
class Differs:
    """``attributes.key != "value"``: also true if the attribute is missing."""

    key: str
    value: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key not in attributes or attributes[self.key] != self.value


@dataclass(frozen=True, slots=True)
class HasPrefix:
    """``hasPrefix(attributes.key, "start")``."""

    key: str
    prefix: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes and attributes[self.key].startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT condition`` or ``-condition``."""

    condition: Condition

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return not self.condition.matches(attributes)


@dataclass(frozen=True, slots=True)
class And:
    """``one AND another``, with two or more conditions."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return all(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """``one OR another``, with two or more conditions."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return any(condition.matches(attributes) for condition in self.conditions)
