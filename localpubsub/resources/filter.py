"""The filter language of subscriptions: pure text in, a condition on attributes out.

https://cloud.google.com/pubsub/docs/subscription-message-filter. Keys and values are compared exactly.
AND and OR cannot be mixed without parentheses; NOT (or ``-``) binds closest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_FILTER_BYTES: Final = 256  #: https://cloud.google.com/pubsub/quotas#resource_limits


class Condition(Protocol):
    """Something that is true or false of a message's attributes."""

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """Whether a message with these attributes passes."""


@dataclass(frozen=True, slots=True)
class Has:
    """``attributes:key``: the attribute is there, whatever its value."""

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
    """``attributes.key != "value"``: also true where the attribute is missing."""

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
class All:
    """``one AND another``, two or more."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return all(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Any:
    """``one OR another``, two or more."""

    conditions: tuple[Condition, ...]

    def matches(self, attributes: Mapping[str, str]) -> bool:
        """See Condition."""
        return any(condition.matches(attributes) for condition in self.conditions)
