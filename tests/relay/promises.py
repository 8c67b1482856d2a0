"""Lists the promises that hold with every broker."""

#: Name of the property of a test that has what the table shows instead of ✓ if the test passes.
CELL = "cell"

#: The promises, in the order of the table.
PROMISES = (
    "publish confirmed",
    "attempts counted",
    "delay between attempts",
    "dead-lettered after N, with a reason",
    "order per key",
    "crash of the consumer",
    "relay -9",
    "broker -9",
    "duplicate",
    "slow worker past the lease",
    "poison",
    "pause",
)
