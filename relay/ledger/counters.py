"""Counts what the writer of the ledger does."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class LedgerCounters:
    """What has happened since the start of the process.

    Attributes:
        received: messages that the broker has delivered.
        written: for each table, messages that are in the ledger and were acknowledged. One that was in the
            ledger before is counted, too.
        outages: how often the ledger could not be written for a time.
        is_failing: whether it cannot be written at present.
    """

    received: int = 0
    written: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    is_failing: bool = False

    def exposition(self) -> str:
        """Return the counters in the text format of Prometheus."""
        lines = ["# TYPE ledger_written_messages_total counter"]
        lines += [
            f'ledger_written_messages_total{{table="{table}"}} {count}'
            for table, count in sorted(self.written.items())
        ]
        for name, value in (("received_messages", self.received), ("outages", self.outages)):
            lines += [f"# TYPE ledger_{name}_total counter", f"ledger_{name}_total {value}"]
        lines += ["# TYPE ledger_failing gauge", f"ledger_failing {int(self.is_failing)}"]
        return "\n".join(lines) + "\n"
