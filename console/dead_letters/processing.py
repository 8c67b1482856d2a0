"""Works off dead letters: does something with each selected one, and acknowledges it only then.

What is done, for example the publish of a job, must be confirmed before a dead letter is acknowledged. After
an interruption anywhere the dead letter is therefore still there, and what was done for it may be done again.
Publishing a job twice has no further effect: the ledger counts it once. The next command acknowledges the
dead letters for which the ledger shows that nothing is left to do.
"""

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from google.api_core.exceptions import GoogleAPIError
from google.pubsub_v1 import types

from console.dead_letters.queue import MESSAGES_PER_PULL, DeadLetterQueue
from console.errors import BrokerError, ReplayError
from console.stack.pubsub_connection import describe_failure

if TYPE_CHECKING:
    from console.dead_letters.broker import BrokerDeadLetters  # needs the relay, which an image has not

#: Consecutive pulls without a new dead letter after which the subscription counts as read. One empty response
#: is not enough, because Pub/Sub may return one although messages remain:
#: https://cloud.google.com/pubsub/docs/pull#dont_return_immediately
MAX_EMPTY_PULLS: Final = 2
PACED_SECONDS: Final = 5.0  #: with a rate, one batch has the dead letters of at most so many seconds
MAX_SLEEP_SECONDS: Final = 5.0  #: maximum number of seconds without a renewal of the ack deadlines

#: What a call to Pub/Sub or to another broker raises.
CALL_ERRORS: Final = (GoogleAPIError, TimeoutError, BrokerError)
DeadLetters: TypeAlias = "DeadLetterQueue | BrokerDeadLetters"
Settle = Callable[[Sequence[types.PubsubMessage]], None]


class Selection(NamedTuple):
    """Which dead letters to work off.

    Attributes:
        chosen: message ids of the selected dead letters.
        outdated: message ids of those that are only acknowledged, since nothing is left to do for them.
        limit: maximum number of dead letters to work off; None for all.
        per_second: maximum number of them per second; None for no limit.
    """

    chosen: AbstractSet[str]
    outdated: AbstractSet[str] = frozenset()
    limit: int | None = None
    per_second: float | None = None


class Processed(NamedTuple):
    """What a command did.

    Attributes:
        done: message ids of the dead letters that were worked off.
        outdated: number of those that were only acknowledged.
        not_found: number of selected dead letters that were not in the subscription; 0 if the command stopped
            at its `limit`.
    """

    done: AbstractSet[str] = frozenset()
    outdated: int = 0
    not_found: int = 0


def process(
    queue: DeadLetters,
    selection: Selection,
    settle: Settle,
    show: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Processed:
    """Work off dead letters, and hold the others until the caller releases them.

    Args:
        queue: the subscription.
        selection: which dead letters to work off.
        settle: does what is to be done with dead letters; it returns after that is confirmed.
        show: called with the number of dead letters that are done so far.
        sleep: waits the given number of seconds.

    Raises:
        ReplayError: a call to Pub/Sub failed; for what was not confirmed the dead letters are still there.
    """
    work = _Work(queue, selection, settle, show, sleep)
    try:
        work.run()
    except CALL_ERRORS as error:
        why = describe_failure(error, queue.address)
        raise ReplayError(
            f"{len(work.done)} dead letters are done, then {queue.address.title} failed: {why}. The others "
            "are still dead letters; run the command again."
        ) from error
    is_stopped = selection.limit is not None and len(work.done) >= selection.limit
    return Processed(work.done, work.outdated, 0 if is_stopped else len(selection.chosen - work.done))


class _Work:
    def __init__(
        self,
        queue: DeadLetters,
        selection: Selection,
        settle: Settle,
        show: Callable[[int], None],
        sleep: Callable[[float], None],
    ) -> None:
        self.done = set[str]()
        self.outdated = 0
        self._queue = queue
        self._selection = selection
        self._settle = settle
        self._show = show
        self._sleep = sleep
        self._wanted = len(selection.chosen)
        if selection.limit is not None:
            self._wanted = min(self._wanted, selection.limit)

    def run(self) -> None:
        seen, empty_pulls = set[str](), 0
        if not self._wanted and not self._selection.outdated:
            return
        while empty_pulls < MAX_EMPTY_PULLS and (len(self.done) < self._wanted or not self._wanted):
            pulled = {message.message_id: message for message in self._queue.pull(self._batch_size())}
            empty_pulls = 0 if pulled.keys() - seen else empty_pulls + 1
            seen |= pulled.keys()
            self._remove_outdated(pulled.keys())
            self._work_off([pulled[name] for name in pulled if name in self._selection.chosen])
            self._queue.renew()

    def _batch_size(self) -> int:
        rate = self._selection.per_second
        return (
            MESSAGES_PER_PULL if rate is None else max(1, min(MESSAGES_PER_PULL, int(rate * PACED_SECONDS)))
        )

    def _remove_outdated(self, pulled: AbstractSet[str]) -> None:
        # A message that is done may be delivered again, if its acknowledgement was lost.
        removable = [each for each in pulled if each in self._selection.outdated or each in self.done]
        if removable:
            self._queue.acknowledge(removable)
            self.outdated += sum(each not in self.done for each in removable)

    def _work_off(self, messages: list[types.PubsubMessage]) -> None:
        messages = [each for each in messages if each.message_id not in self.done]
        messages = messages[: self._wanted - len(self.done)]
        if not messages:
            return
        self._settle(messages)
        self._queue.acknowledge([each.message_id for each in messages])
        self.done.update(each.message_id for each in messages)
        self._show(len(self.done))
        if len(self.done) < self._wanted and self._selection.per_second is not None:
            self._pause(len(messages) / self._selection.per_second)

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self._sleep(min(seconds, MAX_SLEEP_SECONDS))
            seconds -= MAX_SLEEP_SECONDS
            self._queue.renew()
