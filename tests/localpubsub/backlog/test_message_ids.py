"""Tests that message ids are unique and rising, and that publish times follow from them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from localpubsub.backlog.message_ids import MICROSECONDS, IdRange, MessageIds

NOW = 1_800_000_000.0
HOUR = 3600.0

#: Seconds by which the clock moves from one step to the next, in a run and from one run to the next.
_run = st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 10_000_000)), max_size=5)
_runs = st.lists(st.tuples(st.floats(-1e8, 1e8), _run), max_size=8)


@settings(deadline=None)
@given(_runs, st.floats(-1e9, 1e9))
def test_ids_and_publish_times_rise_over_restarts_with_any_clock(
    runs: list[tuple[float, list[tuple[int, float]]]], sought: float
) -> None:
    """Whatever the clock shows at each start, ids and times rise together, and can be converted."""
    now, last, ranges = NOW, 0, list[IdRange]()
    allocated: list[int] = []
    for jump, publishes in runs:
        now = max(0.0, now + jump)
        ids = MessageIds(last, ranges)
        if (new := ids.begin(now)) is not None:
            ranges.append(new)
        for count, seconds in publishes:
            now += seconds
            latest = max(int(now * MICROSECONDS), ids.publish_time(ids.last) + 1)
            new_ids = ids.allocate(count, now)
            # A message is published now, or right after the previous one.
            assert ids.publish_time(new_ids[0]) <= latest
            assert ids.publish_time(new_ids[0]) >= int(now * MICROSECONDS)
            allocated += new_ids
        last = ids.last
    ids = MessageIds(last, ranges)
    ids.begin(now)
    assert allocated == sorted(set(allocated))
    times = [ids.publish_time(each) for each in allocated]
    assert times == sorted(times)
    for micros in (int((NOW + sought) * MICROSECONDS), *times[:20], *(time + 1 for time in times[-20:])):
        first = ids.first_id_at(micros)
        assert [each >= first for each in allocated] == [time >= micros for time in times]


def test_ids_of_an_ordinary_restart_need_no_range() -> None:
    """If the clock is later than the last id, ids are publish times, and no range is stored."""
    ids = MessageIds(last=int(NOW * MICROSECONDS))
    assert ids.begin(NOW + 1) is None
    (message_id,) = ids.allocate(1, NOW + 2)
    assert message_id == ids.publish_time(message_id) == int((NOW + 2) * MICROSECONDS)


def test_messages_from_the_future_count_as_published_before_the_start() -> None:
    """After a run with a time scale, new ids are higher, and a time of now includes no old message."""
    last = int((NOW + 60 * HOUR) * MICROSECONDS)
    ids = MessageIds(last)
    stored = ids.begin(NOW)
    assert stored is not None
    assert ids.first_id_at(int(NOW * MICROSECONDS)) > last
    assert 10 <= ids.age(last, NOW + 10) < 10.001
    (new,) = ids.allocate(1, NOW + 5)
    assert new > last
    assert ids.publish_time(new) == int((NOW + 5) * MICROSECONDS)
    assert ids.oldest_retained_id(NOW + 700, 600) > new


def test_ids_are_publish_times_again_once_the_clock_has_passed_them() -> None:
    """A start after the time of the ids in the future returns to ids that are publish times."""
    last = int((NOW + HOUR) * MICROSECONDS)
    ids = MessageIds(last)
    first = ids.begin(NOW)
    assert first is not None
    later = MessageIds(last, [first])
    second = later.begin(NOW + 2 * HOUR)
    assert second == IdRange(int((NOW + 2 * HOUR) * MICROSECONDS), int((NOW + 2 * HOUR) * MICROSECONDS))
    (message_id,) = later.allocate(1, NOW + 3 * HOUR)
    assert message_id == later.publish_time(message_id)
