"""A relay of SQS extends the leases of the messages that it holds, and notices when it has lost one."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import pytest

from publishing.sqs.batches import Entry
from publishing.sqs.queues import SqsError
from relay.sqs import leases as module
from relay.sqs.leases import EXTEND_SECONDS, LEASE_SECONDS, Lease, Leases


class RecordingBatches:
    """Batches that keep the entries, and confirm them unless a test does otherwise.

    Attributes:
        entries: the entries so far.
        failure: the error of every entry; None confirms it.
        is_held: whether entries stay without an answer.
    """

    def __init__(self) -> None:
        self.entries = list[Entry]()
        self.failure: SqsError | None = None
        self.is_held = False

    def add(self, entries: Iterable[Entry]) -> None:
        """See `Batches.add`."""
        for entry in entries:
            self.entries.append(entry)
            if not self.is_held:
                self.answer(entry)

    def answer(self, entry: Entry) -> None:
        """Answer an entry."""
        entry.done.set_running_or_notify_cancel()
        if self.failure is None:
            entry.done.set_result(None)
        else:
            entry.done.set_exception(self.failure)

    def timeouts(self) -> list[object]:
        """Return the visibility timeouts that were asked for."""
        return [entry.fields["VisibilityTimeout"] for entry in self.entries]


@pytest.fixture(autouse=True)
def _quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the leases without pauses."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0)


async def extended(leases: Leases, condition: Any) -> None:  # noqa: ANN401 - any function without arguments
    """Let the leases be extended until a condition is true."""
    task = asyncio.create_task(leases.extend_forever())
    while not condition():  # noqa: ASYNC110 - the condition is set by the code under test, which has no event
        await asyncio.sleep(0)
    task.cancel()


def held(batches: Any, seconds: float) -> tuple[Leases, Lease]:  # noqa: ANN401 - stands for Batches
    """Return leases with one that has this many seconds left."""
    leases = Leases(batches)
    return leases, leases.add("handle", time.monotonic() + seconds - LEASE_SECONDS)


def test_a_lease_that_ends_soon_is_extended() -> None:
    """The message stays invisible for another visibility timeout."""

    async def check() -> None:
        batches = RecordingBatches()
        leases, lease = held(batches, EXTEND_SECONDS - 1)
        await extended(leases, lambda: lease.expires_at > time.monotonic() + EXTEND_SECONDS)
        assert batches.timeouts() == [LEASE_SECONDS]
        assert batches.entries[0].fields["ReceiptHandle"] == "handle"

    asyncio.run(check())


def test_a_lease_that_cannot_be_extended_is_lost() -> None:
    """If SQS says that the message is no longer this relay's, the relay does not settle it."""

    async def check() -> None:
        batches = RecordingBatches()
        batches.failure = SqsError("ReceiptHandleIsInvalid")
        leases, lease = held(batches, EXTEND_SECONDS - 1)
        await extended(leases, lambda: not lease.is_valid)

    asyncio.run(check())


def test_a_failed_extension_is_repeated() -> None:
    """If SQS cannot be reached for a time, the lease is extended as soon as it can."""

    async def check() -> None:
        batches = RecordingBatches()
        batches.failure = SqsError("cannot be reached", is_transient=True)
        leases, lease = held(batches, EXTEND_SECONDS - 1)
        await extended(leases, lambda: len(batches.entries) == 3)
        assert lease.is_valid
        batches.failure = None
        await extended(leases, lambda: lease.expires_at > time.monotonic() + EXTEND_SECONDS)

    asyncio.run(check())


def test_a_message_that_was_settled_is_not_extended() -> None:
    """Leases that were removed, and those that have enough time, cause no requests."""

    async def check() -> None:
        batches = RecordingBatches()
        leases, settled = held(batches, EXTEND_SECONDS - 1)
        leases.remove(settled)
        leases.add("new", time.monotonic())
        other = leases.add("other", time.monotonic() + EXTEND_SECONDS - 1 - LEASE_SECONDS)
        await extended(leases, lambda: other.expires_at > time.monotonic() + EXTEND_SECONDS)
        assert [entry.fields["ReceiptHandle"] for entry in batches.entries] == ["other"]
        assert len(leases) == 2

    asyncio.run(check())


def test_a_return_waits_for_the_extension_that_is_under_way() -> None:
    """Otherwise the extension could come later than the delay of the next attempt, and replace it."""

    async def check() -> None:
        batches = RecordingBatches()
        batches.is_held = True
        leases, lease = held(batches, EXTEND_SECONDS - 1)
        await extended(leases, lambda: len(batches.entries) == 1)
        returned = asyncio.create_task(leases.change(lease, 600))
        for _ in range(10):
            await asyncio.sleep(0)
        assert batches.timeouts() == [LEASE_SECONDS]
        batches.is_held = False
        batches.answer(batches.entries[0])
        await returned
        assert batches.timeouts() == [LEASE_SECONDS, 600]

    asyncio.run(check())
