"""Defines the states of a message on a subscription, and the events that change them."""

from typing import Final, Literal, TypeAlias

MessageState: TypeAlias = Literal["waiting", "outstanding", "acknowledged", "dead_lettered", "expired"]
MessageEvent: TypeAlias = Literal[
    "delivered",
    "acknowledged",
    "nacked",
    "deadline passed",
    "delivery cancelled",
    "attempts exhausted",
    "retention passed",
]

WAITING: Final = "waiting"
OUTSTANDING: Final = "outstanding"
ACKNOWLEDGED: Final = "acknowledged"
DEAD_LETTERED: Final = "dead_lettered"
EXPIRED: Final = "expired"

#: Every transition of a message on a subscription: (state, event) → next state. No other transition exists.
NEXT: Final[dict[tuple[MessageState, MessageEvent], MessageState]] = {
    (WAITING, "delivered"): OUTSTANDING,
    (WAITING, "retention passed"): EXPIRED,
    (OUTSTANDING, "acknowledged"): ACKNOWLEDGED,
    (OUTSTANDING, "nacked"): WAITING,  # for example by an ack deadline of 0 or an error response to a push
    (OUTSTANDING, "deadline passed"): WAITING,
    (OUTSTANDING, "attempts exhausted"): DEAD_LETTERED,  # the final attempt has failed
    (OUTSTANDING, "delivery cancelled"): WAITING,  # this is not counted as an attempt
}
