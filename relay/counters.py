"""Counts what the relay does, for `/metrics`."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """What has happened since the start of the process.

    Attributes:
        received: messages that the broker has delivered.
        acknowledged: messages that the worker has acknowledged.
        returned: messages that were returned for a further attempt.
        released: messages that were returned without an attempt, because the relay stops.
        dead_lettered: messages that were moved to the dead-letter topic.
        lost: messages whose connection to the broker was lost before they were settled.
        open: pushes without a response at present.
        waiting: messages that wait for room in the window at present.
    """

    received: int = 0
    acknowledged: int = 0
    returned: int = 0
    released: int = 0
    dead_lettered: int = 0
    lost: int = 0
    open: int = 0
    waiting: int = 0

    def exposition(self) -> str:
        """Return the counters in the text format of Prometheus."""
        lines = list[str]()
        for name, value in asdict(self).items():
            is_gauge = name in {"open", "waiting"}
            full = f"relay_{name}_messages" if is_gauge else f"relay_{name}_messages_total"
            lines += [f"# TYPE {full} {'gauge' if is_gauge else 'counter'}", f"{full} {value}"]
        return "\n".join(lines) + "\n"
