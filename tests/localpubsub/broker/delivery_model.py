"""Models which messages a subscription must, must not or may deliver, while operations overlap. Pure.

The model knows only what a client knows: which calls it has made, and which of them succeeded. Where calls
overlap, or the client does not know the result of a call, the model allows both results ("may").
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

State: TypeAlias = Literal["must", "must not", "may"]


@dataclass(eq=False)
class Call:
    """A call that was made: when, relative to the seeks, and what was known then."""

    seeks: int  #: Number of seeks that were made before.
    during_seek: bool  #: Whether a seek was running.
    last_id: int  #: The highest message id then.
    states: dict[int, State]  #: What was known of each message then.


@dataclass(eq=False)
class SnapshotModel:
    """What is known of the messages in a snapshot; all messages with higher ids are in it."""

    states: dict[int, State]
    last_id: int


@dataclass
class DeliveryModel:
    """What is known of the messages of one subscription."""

    retains: bool  #: Whether acknowledged messages are retained.
    states: dict[int, State] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)  #: Ids of the messages whose publish succeeded.
    failed: set[int] = field(default_factory=set)  #: Ids of the messages whose publish failed.
    snapshots: dict[str, SnapshotModel] = field(default_factory=dict)
    running_seeks: int = 0
    _seeks: int = 0

    def call(self) -> Call:
        """Note the start of a call."""
        return Call(self._seeks, self.running_seeks > 0, max(self.states, default=0), dict(self.states))

    def published(self, message_ids: list[int]) -> None:
        """Note the start of a publish."""
        self.states.update(dict.fromkeys(message_ids, "may"))

    def publish_succeeded(self, call: Call, message_ids: list[int]) -> None:
        """Note that a publish has succeeded."""
        self.confirmed.update(message_ids)
        self._set_unless_seek(call, message_ids, "must")

    def publish_failed(self, message_ids: list[int]) -> None:
        """Note that a publish has failed: nothing was published."""
        self.failed.update(message_ids)
        self.states.update(dict.fromkeys(message_ids, "must not"))

    def acknowledged(self, message_id: int) -> None:
        """Note the start of an ack."""
        self.states[message_id] = "may"

    def ack_ended(self, call: Call, message_id: int, *, succeeded: bool) -> None:
        """Note the result of an ack."""
        self._set_unless_seek(call, [message_id], "must not" if succeeded else "must")

    def seek_started(self) -> Call:
        """Note the start of a seek."""
        call = self.call()
        self._seeks += 1
        self.running_seeks += 1
        return call

    def seek_failed(self) -> None:
        """Note that a seek has failed: it has changed nothing."""
        self.running_seeks -= 1

    def may_receive(self, call: Call, message_id: int) -> bool:
        """Return whether a pull may return a message."""
        return self.states[message_id] != "must not" or not self._without_seek(call)

    def forget_after(self, last_id: int) -> None:
        """Forget the messages with higher ids, which were lost in a restart."""
        self.states = {each: state for each, state in self.states.items() if each <= last_id}
        self.failed = {each for each in self.failed if each <= last_id}

    def settled(self, on_disk: list[int], acknowledged: Collection[int] = ()) -> None:
        """Note that no call is running any longer, and which messages are on disk now.

        Those in ``acknowledged`` are removed together with earlier messages of their ordering keys, or
        redelivered with them (https://cloud.google.com/pubsub/docs/ordering).
        """
        known = self.states if not self.running_seeks else {}  # the caller of a seek was cancelled
        self.running_seeks = 0
        found = set(on_disk)
        self.confirmed |= found
        for message_id in self.states:
            if known.get(message_id, "may") == "may":
                self.states[message_id] = "must" if message_id in found else "must not"
        self.states.update(dict.fromkeys(acknowledged, "may"))

    def seek_succeeded(self, call: Call, target: str) -> None:
        """Note that a seek to "end", to "start" or to the snapshot of this name has succeeded."""
        self.running_seeks -= 1
        if call.during_seek or self._seeks != call.seeks + 1:
            self.states = dict.fromkeys(self.states, "may")
        elif target == "end":
            self.states.update({each: "must not" for each in self.states if each <= call.last_id})
        elif target == "start":
            if self.retains:
                # The publish of a message that is neither confirmed nor failed may have been written.
                self.states.update(dict.fromkeys(self.states.keys() - self.failed, "may"))
                self.states.update(dict.fromkeys(self.confirmed, "must"))
        else:
            self._seek_to(self.snapshots.get(target), call)

    def snapshot_created(self, call: Call, name: str) -> None:
        """Note that the creation of a snapshot has succeeded."""
        sure = self._without_seek(call)
        states: dict[int, State] = {
            each: state if sure and call.states.get(each) == state else "may"
            for each, state in self.states.items()
        }
        self.snapshots[name] = SnapshotModel(states, max(self.states, default=0))

    def _seek_to(self, snapshot: SnapshotModel | None, call: Call) -> None:
        for message_id in self.states:
            if snapshot is None:
                self.states[message_id] = "may"
            elif message_id <= snapshot.last_id:
                self.states[message_id] = snapshot.states.get(message_id, "may")
            elif message_id <= call.last_id and message_id in self.confirmed:
                self.states[message_id] = "must"
            elif message_id not in self.failed:
                self.states[message_id] = "may"

    def _set_unless_seek(self, call: Call, message_ids: list[int], state: State) -> None:
        if self._without_seek(call):
            self.states.update(dict.fromkeys(message_ids, state))

    def _without_seek(self, call: Call) -> bool:
        """Return whether no seek has run since the start of the call."""
        return not call.during_seek and self._seeks == call.seeks
