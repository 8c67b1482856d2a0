"""What keeps a backlog small: the queue of ids and the bounded cache."""

from hypothesis import given
from hypothesis import strategies as st

from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.message import MessageIds, oldest_retained_id
from localpubsub.broker.message_cache import EVICTION_AGE, MessageCache


@given(st.lists(st.one_of(st.integers(0, 2**63), st.none()), max_size=200))
def test_ids_leave_in_the_order_they_came(steps: list[int | None]) -> None:
    """A number appends, None takes: as a list would."""
    queue, model = IdQueue(), list[int]()
    for step in steps:
        if step is not None:
            queue.append(step)
            model.append(step)
        elif model:
            assert queue.take() == model.pop(0)
        assert (len(queue), queue.first()) == (len(model), model[0] if model else None)
        assert queue.upcoming(3) == model[:3]


def test_taken_ids_give_their_memory_back() -> None:
    """A queue through which millions went is as small as what it holds."""
    queue = IdQueue()
    for message_id in range(100_000):
        queue.append(message_id)
        queue.take()
    assert len(queue._ids) < 10_000  # noqa: SLF001 - memory is the promise, and has no other face


def test_hot_messages_are_bounded_in_bytes() -> None:
    """When it is full the oldest stay, for they are delivered first."""
    hot = MessageCache(capacity=10_000)
    for message_id in range(100):
        hot.add(message_id, b"x" * 800)
    assert [message_id for message_id in range(100) if hot.get(message_id)] == list(range(10))
    hot.drop(3)
    hot.add(100, b"x" * 800)
    assert hot.get(100)


def test_a_message_nobody_takes_makes_room_for_new_ones() -> None:
    """A subscription that nobody reads must not make the others slow for ever."""
    hot = MessageCache(capacity=10_000)
    for message_id in range(100):
        hot.add(message_id, b"x" * 800)
    later = (EVICTION_AGE + 1) * 1_000_000
    hot.add(later, b"x" * 800)
    assert hot.get(later)
    assert not hot.get(0)


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(1e9, 2e9)), max_size=50))
def test_ids_only_rise(requests: list[tuple[int, float]]) -> None:
    """Whatever the clock does, no id is given twice, and later requests have higher ids."""
    ids = MessageIds()
    given_out = [message_id for count, now in requests for message_id in ids.allocate(count, now)]
    assert given_out == sorted(set(given_out))


def test_ids_go_on_after_the_last_one() -> None:
    """After a restart with a clock that was set back."""
    assert MessageIds(last=2**60).allocate(2, 1e9) == range(2**60 + 1, 2**60 + 3)


def test_an_id_tells_the_age_of_its_message() -> None:
    """Which is how a million waiting messages need no column of times."""
    (message_id,) = MessageIds().allocate(1, 1_800_000_000.0)
    assert oldest_retained_id(1_800_000_600.0, 600) <= message_id < oldest_retained_id(1_800_000_601.0, 600)
