"""Tests that message ids are unique and rising, and that they give the age of a message."""

from hypothesis import given
from hypothesis import strategies as st

from localpubsub.backlog.message import MessageIds, oldest_retained_id


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(1e9, 2e9)), max_size=50))
def test_message_ids_are_unique_and_rising(requests: list[tuple[int, float]]) -> None:
    """No id is allocated twice and later requests get higher ids, even if the clock runs backwards."""
    ids = MessageIds()
    allocated = [message_id for count, now in requests for message_id in ids.allocate(count, now)]
    assert allocated == sorted(set(allocated))


def test_message_ids_continue_after_a_restart() -> None:
    """After a restart new ids are higher than the last id, even if the clock was set back."""
    assert MessageIds(last=2**60).allocate(2, 1e9) == range(2**60 + 1, 2**60 + 3)


def test_message_id_gives_the_age_of_its_message() -> None:
    """The id of a message is enough to decide whether the message is past its retention."""
    (message_id,) = MessageIds().allocate(1, 1_800_000_000.0)
    assert oldest_retained_id(1_800_000_600.0, 600) <= message_id < oldest_retained_id(1_800_000_601.0, 600)
