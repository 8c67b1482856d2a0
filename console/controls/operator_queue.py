"""Changes what operators control: the labels of the jobs topic, and on Pub/Sub its push subscription.

Pub/Sub replaces all labels of a topic at once, and has no condition that refuses a change which does not know
the newest labels. So the change of one operator may undo that of another who changed the labels at the same
time. Each therefore writes within `SPAN_SECONDS` after reading, and looks for longer than that whether its
own change stays.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from google.pubsub_v1 import types

from console.errors import ControlError
from console.stack.pubsub_address import LOCAL, PubsubAddress
from console.stack.pubsub_connection import describe_failure
from contract.controls import Controls, TooManyControls
from contract.operator_act import OperatorAct

CALL_SECONDS = 10.0  #: time limit of a call
SPAN_SECONDS = 2.0  #: longest time from the reading of labels to the end of the call that changes them
SETTLE_SECONDS = 3.0  #: for how long a change must have stayed, longer than `SPAN_SECONDS`
POLL_SECONDS = 0.5  #: seconds between two readings
MAX_TRIES = 5  #: after so many changes that were undone, somebody contradicts this operator


@dataclass(frozen=True, kw_only=True)
class OperatorQueue(ABC):
    """The queue as an operator controls it.

    Attributes:
        address: names the topics and subscriptions.
        clock: returns monotonic seconds.
        now: returns seconds since the epoch.
        sleep: waits for a number of seconds.
        recorded: the ids of the acts that were recorded.
    """

    address: PubsubAddress = LOCAL
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    recorded: list[str] = field(default_factory=list)

    def record(self, act: OperatorAct) -> None:
        """Publish an act, and return when Pub/Sub or the broker has confirmed it.

        Raises:
            ControlError: Pub/Sub did not confirm it.
        """
        with self._reported("The act could not be recorded, so nothing was changed"):
            self._publish(act)
        self.recorded.append(act.act_id)

    def controls(self) -> Controls:
        """Return the controls that are in force.

        Raises:
            ControlError: Pub/Sub did not answer.
        """
        with self._reported("The controls could not be read"):
            return Controls.from_labels(self._labels()).without_ended(self.now())

    def change(self, change: Callable[[Controls], Controls], is_made: Callable[[Controls], bool]) -> None:
        """Change the controls, and return when the change has stayed for `SETTLE_SECONDS`.

        Args:
            change: returns the changed controls; it may be called several times.
            is_made: returns whether controls have the change.

        Raises:
            ControlError: Pub/Sub failed, or another operator undoes the change again and again.
        """
        with self._reported("The act is recorded, but not in force: give the command again. Pub/Sub failed"):
            for _ in range(MAX_TRIES):
                self._write(change, is_made)
                if self._stays(is_made):
                    return
        raise ControlError(
            f"Another operator has undone the change {MAX_TRIES} times. `scrapeq status` shows who has done "
            "what; agree with each other, and give the command again."
        )

    @abstractmethod
    def push_subscription(self) -> types.Subscription:
        """Return the subscription that delivers the jobs.

        Raises:
            ControlError: Pub/Sub did not answer.
            NoPubsubError: another broker has none.
        """

    @abstractmethod
    def set_push_config(self, push_config: types.PushConfig) -> None:
        """Replace the push configuration of the jobs subscription; an empty one stops the pushes.

        Raises:
            ControlError: Pub/Sub refused it or did not answer.
            NoPubsubError: another broker has none.
        """

    @property
    @abstractmethod
    def failures(self) -> tuple[type[Exception], ...]:
        """The exceptions of calls to Pub/Sub or the broker."""

    @abstractmethod
    def _publish(self, act: OperatorAct) -> None: ...

    @abstractmethod
    def _labels(self) -> dict[str, str]: ...

    @abstractmethod
    def _set_labels(self, labels: Mapping[str, str], seconds: float) -> None: ...

    def _write(self, change: Callable[[Controls], Controls], is_made: Callable[[Controls], bool]) -> None:
        """Write the changed labels soon after they were read; do nothing if they have the change."""
        while True:
            began, now = self.clock(), self.now()
            labels = self._labels()
            current = Controls.from_labels(labels).without_ended(now)
            if is_made(current):
                return
            seconds = began + SPAN_SECONDS - self.clock()
            if seconds <= SPAN_SECONDS / 2:
                continue  # reading has taken long, so the labels may be old
            self._set_labels(change(current).replaced_in(labels, now), seconds)
            return

    def _stays(self, is_made: Callable[[Controls], bool]) -> bool:
        until = self.clock() + SETTLE_SECONDS
        while self.clock() < until:
            if not is_made(Controls.from_labels(self._labels()).without_ended(self.now())):
                return False
            self.sleep(POLL_SECONDS)
        return True

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Translate the errors of calls to Pub/Sub.

        Raises:
            ControlError: a call failed; the message begins with `what`.
        """
        try:
            yield
        except TooManyControls as error:
            raise ControlError(
                f"{what}: {error}. Remove labels of your own from the topic, or resume what is paused; a "
                "cancelled run has a label for 8 days."
            ) from error
        except self.failures as error:
            raise ControlError(f"{what}: {describe_failure(error, self.address)}") from error
