"""Defines the conditions of the filter language, which are checked against the attributes of a message.

https://cloud.google.com/pubsub/docs/subscription-message-filter. Keys and values are compared exactly.
AND and OR cannot be mixed without parentheses; NOT (or ``-``) applies only to the condition after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_FILTER_BYTES: Final = 256  #: Maximum size: https://cloud.google.com/pubsub/quotas#resource_limits


class Condition(Protocol):
    """A condition on the attributes of a message."""

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """Return whether a message with these attributes matches the condition."""


@dataclass(frozen=True, slots=True)
class Has:
    """``attributes:key``: the message has the attribute, with any value."""

    key: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes


@dataclass(frozen=True, slots=True)
class Equals:
    """``attributes.key = "value"``: the attribute has exactly this value."""

    key: str
    value: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes and attributes[self.key] == self.value


@dataclass(frozen=True, slots=True)
class Differs:
    """``attributes.key != "value"``: the attribute has another value or is missing."""

    key: str
    value: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key not in attributes or attributes[self.key] != self.value


@dataclass(frozen=True, slots=True)
class HasPrefix:
    """``hasPrefix(attributes.key, "start")``: the value of the attribute begins with this text."""

    key: str
    prefix: str

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return self.key in attributes and attributes[self.key].startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT condition`` or ``-condition``: the condition does not match."""

    condition: Condition

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return not self.condition.matches(attributes)


@dataclass(frozen=True, slots=True)
class And:
    """``one AND another``: all of these conditions match; there are at least two."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return all(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """``one OR another``: at least one of these conditions matches; there are at least two."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return any(condition.matches(attributes) for condition in self.conditions)
