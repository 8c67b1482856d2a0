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


@given(st.sets(st.integers(0, 20)), st.integers(0, 3), st.integers(-1, 21))
def test_ids_below_a_bound_are_taken(ids: set[int], taken: int, bound: int) -> None:
    """take_below removes the ids below the bound, also if some ids were taken before."""
    queue, model = IdQueue(sorted(ids)), sorted(ids)
    for _ in range(min(taken, len(model))):
        assert queue.take() == model.pop(0)
    assert queue.take_below(bound) == [each for each in model if each < bound]
    assert queue.upcoming(30) == [each for each in model if each >= bound]


def test_id_queue_frees_the_memory_of_taken_ids() -> None:
    """A queue from which every id was taken uses little memory."""
    queue = IdQueue()
    for message_id in range(100_000):
        queue.append(message_id)
        queue.take()
    assert len(queue._ids) < 10_000  # noqa: SLF001 - only the attribute shows the memory use
