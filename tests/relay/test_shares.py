"""Each relay hands over the partitions above its share, until no relay has more than that."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.rabbitmq.shares import above_share


@dataclass(eq=False)
class PartitionConsumer:
    """A consumer of a partition, which is active or not."""

    active_since: float | None


@given(st.integers(1, 12), st.integers(1, 6), st.data())
def test_all_partitions_are_shared_after_some_hand_overs(
    partitions: int, relays: int, data: st.DataObject
) -> None:
    """Whoever has them first, and whom RabbitMQ chooses next, no relay ends with more than its share."""
    holders = [data.draw(st.integers(0, relays - 1)) for _ in range(partitions)]
    waiting = [[each for each in range(relays) if each != holder] for holder in holders]
    time = 0.0
    since = [time] * partitions
    for _ in range(partitions * relays):
        moved = False
        for relay in range(relays):
            consumers: Any = [
                PartitionConsumer(since[number] if holder == relay else None)
                for number, holder in enumerate(holders)
            ]
            for number in [consumers.index(each) for each in above_share(consumers, relays)]:
                # RabbitMQ takes the consumer that has waited longest.
                waiting[number].append(holders[number])
                holders[number] = waiting[number].pop(0)
                time += 1
                since[number] = time
                moved = True
        if not moved:
            break
    share = -(-partitions // relays)
    assert max(holders.count(relay) for relay in range(relays)) <= share


def test_the_partitions_that_came_last_are_handed_over() -> None:
    """A partition that comes to a relay that has its share goes on to the next one."""
    consumers: Any = [
        PartitionConsumer(2.0),
        PartitionConsumer(1.0),
        PartitionConsumer(None),
        PartitionConsumer(3.0),
    ]
    assert above_share(consumers, 2) == [consumers[3]]
