"""Tests the memory of finished messages, with a fake clock: what it contains, and for how long."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.finished import MEMORY_BYTES, REMEMBERED_SECONDS, FinishedMessages

START = 1000.0  # monotonic seconds
names = st.sampled_from([f"name-{number}" for number in range(12)])
steps = st.lists(st.tuples(names, st.floats(0, REMEMBERED_SECONDS)), max_size=60)


@given(steps=steps)
def test_names_are_remembered_for_their_time(steps: Sequence[tuple[str, float]]) -> None:
    """Whatever is added when: the memory contains exactly the names of the last REMEMBERED_SECONDS."""
    finished, now = FinishedMessages(), START
    added_at = dict[str, float]()
    for name, seconds in steps:
        now += seconds
        finished.add(name, now)
        added_at[name] = now
        for number in range(12):
            other = f"name-{number}"
            is_recent = other in added_at and added_at[other] > now - REMEMBERED_SECONDS
            assert finished.contains(other, now) is is_recent


def test_message_is_remembered_for_longer_than_the_longest_ack_deadline() -> None:
    """A message whose acknowledgement was lost is delivered again after 600 s, and then recognised."""
    finished = FinishedMessages()
    finished.add("42", START)
    assert finished.contains("42", START + 600 + 570)
    assert not finished.contains("42", START + REMEMBERED_SECONDS)


def test_full_memory_forgets_the_oldest_names() -> None:
    """If many more names are added than fit, a name that was added just now is always remembered."""
    finished = FinishedMessages(bytearray(MEMORY_BYTES // 1024))
    for number in range(1000):
        finished.add(f"{number}", START + number / 1000)
        assert finished.contains(f"{number}", START + 1)
    remembered = [number for number in range(1000) if finished.contains(f"{number}", START + 1)]
    assert len(remembered) == MEMORY_BYTES // 1024 // 16
    assert sum(remembered) / len(remembered) > 900


def test_name_that_is_added_again_takes_no_further_place() -> None:
    """A message that is finished many times does not displace others."""
    finished = FinishedMessages(bytearray(8 * 16))
    for number in range(8):
        finished.add(f"{number}", START)
    for seconds in range(100):
        finished.add("7", START + seconds)
    assert all(finished.contains(f"{number}", START + 100) for number in range(8))


def test_production_memory_remembers_what_a_busy_instance_finishes() -> None:
    """20 jobs a second for 20 minutes are remembered, but for less than one in a thousand."""
    finished = FinishedMessages()
    count = int(20 * REMEMBERED_SECONDS)
    for number in range(count):
        finished.add(f"{number}", START)
    forgotten = sum(not finished.contains(f"{number}", START) for number in range(count))
    assert forgotten < count / 1000


def test_shared_memory_shares_names() -> None:
    """Two FinishedMessages with the same memory, as of two processes, know each other's names."""
    memory = bytearray(MEMORY_BYTES)
    first, second = FinishedMessages(memory), FinishedMessages(memory)
    first.add("42", START)
    assert second.contains("42", START)
    assert not second.contains("43", START)


class RecordingLock:
    """A lock that records whether it is held."""

    is_held = False

    def __enter__(self) -> None:
        """Take it."""
        assert not self.is_held
        self.is_held = True

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.is_held = False


def test_memory_is_written_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a name is written, no other process can choose the same record for another name."""
    lock = RecordingLock()
    finished = FinishedMessages(lock=lock)
    offsets = finished._offsets  # noqa: SLF001 - the step that chooses the record
    held = list[bool]()

    def recording_offsets(digest: bytes) -> list[int]:
        held.append(lock.is_held)
        return offsets(digest)

    monkeypatch.setattr(finished, "_offsets", recording_offsets)
    finished.add("42", START)
    assert held == [True]
    assert not lock.is_held
