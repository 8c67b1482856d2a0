"""Tests the memory of finished messages, with a fake clock: what it contains, and for how long."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from worker.finished import MEMORY_BYTES, REMEMBERED_SECONDS, FinishedMessages

START = 1000.0  # monotonic seconds
BUCKET_BYTES = 16 * 16  # of a memory in which all names compete for the same 16 records
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
    finished = FinishedMessages(bytearray(BUCKET_BYTES))
    for number in range(16):
        finished.add(f"{number}", START)
    for seconds in range(100):
        finished.add("7", START + seconds)
    assert all(finished.contains(f"{number}", START + 100) for number in range(16))


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


class ContendedLock:
    """A lock that a process gets after another one, which has added a name meanwhile.

    Args:
        other: the memory of the other process.
    """

    def __init__(self, other: FinishedMessages) -> None:
        self._other = other

    def __enter__(self) -> None:
        """Wait for the other process, and take the lock."""
        self._other.add("of the other process", START)

    def __exit__(self, *_: object) -> None:
        """Give the lock back, after the name was written."""
        assert self._other.contains("42", START)


def test_record_is_chosen_and_written_under_the_lock() -> None:
    """While a process chooses and writes a record, no other process can choose the same one."""
    memory = bytearray(BUCKET_BYTES)
    finished = FinishedMessages(memory, ContendedLock(FinishedMessages(memory)))
    finished.add("42", START)
    assert finished.contains("42", START)
    assert finished.contains("of the other process", START)
