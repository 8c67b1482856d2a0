"""Tests the order and the memory use of the queue of message ids."""

from hypothesis import given
from hypothesis import strategies as st

from localpubsub.backlog.id_queue import IdQueue


@given(st.lists(st.one_of(st.integers(0, 2**63), st.none()), max_size=200))
def test_id_queue_is_first_in_first_out(steps: list[int | None]) -> None:
    """The queue behaves like a list to which ids are appended and from whose front ids are taken.

    Each step is an id to append, or None to take the first id.
    """
    queue, model = IdQueue(), list[int]()
    for step in steps:
        if step is not None:
            queue.append(step)
            model.append(step)
        elif model:
            assert queue.take() == model.pop(0)
        assert (len(queue), queue.first()) == (len(model), model[0] if model else None)
        assert queue.upcoming(3) == model[:3]


def test_id_queue_frees_the_memory_of_taken_ids() -> None:
    """A queue from which every id was taken uses little memory."""
    queue = IdQueue()
    for message_id in range(100_000):
        queue.append(message_id)
        queue.take()
    assert len(queue._ids) < 10_000  # noqa: SLF001 - only the attribute shows the memory use
