"""Tests the limits of the open pushes of all subscriptions together."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from localpubsub.push.capacity import MAX_PUSHES, RESERVED_PUSHES, PushCapacity, max_open_pushes


class Pusher:
    """The pushes of one subscription, as PushDelivery starts and ends them.

    Attributes:
        waiting: sizes of the requests that are not sent yet, the next one first.
        open: sizes of the open pushes.
    """

    def __init__(self, capacity: PushCapacity, sizes: list[int]) -> None:
        self.capacity = capacity
        self.waiting = sizes
        self.open: list[int] = []
        self.sent = 0

    def wake(self) -> None:
        """Start as many pushes as the capacity allows."""
        while self.waiting and self.capacity.take_place(self.wake):
            if not self._start():
                self.capacity.return_place(self.wake)
                return

    def finish(self, index: int) -> None:
        """End an open push, and start the next one in its place if the capacity allows it."""
        self.capacity.return_bytes(self.wake, self.open.pop(index))
        self.sent += 1
        if self.waiting and self.capacity.admits(self.wake) and self._start():
            return
        self.capacity.return_place(self.wake)
        self.wake()

    def _start(self) -> bool:
        if not self.capacity.take_bytes(self.wake, self.waiting[0]):
            return False
        self.open.append(self.waiting.pop(0))
        return True


def finish_all(pushers: list[Pusher], max_pushes: int, max_bytes: int) -> Iterator[None]:
    """End one open push after the other, of the subscriptions in turn, until nothing is open."""
    while any(each.open for each in pushers):
        for pusher in pushers:
            if pusher.open:
                pusher.finish(0)
            sizes = [size for each in pushers for size in each.open]
            assert len(sizes) <= max_pushes
            assert sum(sizes) <= max_bytes or len(sizes) == 1
            yield


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 120), max_size=20), min_size=1, max_size=6),
    st.integers(1, 30),
    st.integers(1, 100),
)
def test_limits_are_kept_and_every_message_is_pushed(
    sizes: list[list[int]], max_pushes: int, max_bytes: int
) -> None:
    """Neither limit is exceeded, except by one push alone, and no subscription waits forever."""
    capacity = PushCapacity(max_pushes, max_bytes)
    pushers = [Pusher(capacity, list(each)) for each in sizes]
    for pusher in pushers:
        pusher.wake()
    for _ in finish_all(pushers, max_pushes, max_bytes):
        pass
    assert [each.sent for each in pushers] == [len(each) for each in sizes]


def test_subscription_whose_pushes_hang_does_not_stop_the_others() -> None:
    """When one subscription has taken all it may take, another one can still push."""
    capacity = PushCapacity(100, 100_000_000)
    hanging, other = Pusher(capacity, [1000] * 500), Pusher(capacity, [1000] * 50)
    hanging.wake()
    assert len(hanging.open) == 75
    other.wake()
    assert len(other.open) == RESERVED_PUSHES
    while other.open:
        other.finish(0)
    assert other.sent == 50


def test_large_messages_that_hang_do_not_stop_the_others() -> None:
    """When the requests of one subscription have taken all bytes they may take, another one can push."""
    capacity = PushCapacity(100, 100_000_000)
    hanging, other = Pusher(capacity, [10_000_000] * 50), Pusher(capacity, [1000] * 50)
    hanging.wake()
    assert len(hanging.open) == 7
    other.wake()
    assert len(other.open) == 50


def test_places_are_shared_equally() -> None:
    """A subscription that holds all places gives the half of them to another one, as its pushes end."""
    capacity = PushCapacity(100)
    first, second = Pusher(capacity, [1] * 10_000), Pusher(capacity, [1] * 10_000)
    first.wake()
    second.wake()
    for _ in range(200):
        first.finish(0)
        second.finish(0)
    assert abs(len(first.open) - len(second.open)) <= 1


def test_one_subscription_may_use_its_whole_window() -> None:
    """The limit of all subscriptions leaves a single one its window, if there are enough files."""
    for window in (1, 3000, 20_000):
        capacity = PushCapacity(max_open_pushes(window, 10**9))
        pusher = Pusher(capacity, [1] * window)
        pusher.wake()
        assert len(pusher.open) == window
    assert max_open_pushes(3000, 10**9) == MAX_PUSHES
    assert max_open_pushes(3000, 128) == 128
