"""Makes a ledger in which every text that a site or a message may choose is hostile."""

from console.ledger.ledger import Ledger
from contract.operator_act import Act
from tests.console.ledger.rows import act_row, dead_letter_row, job_row, outcome_row, record

RUN = "run-1"
JOB, DEAD_JOB, ACT = "a" * 32, "b" * 32, "0" * 32
MARKUP = "</td></table></textarea><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
BIDI = "price \u202egnp.exe\u2066 \u200f"
LARGE = "x" * 1_000_000
ITEM: dict[str, object] = {
    "title": MARKUP,
    "direction": BIDI,
    "large": LARGE,
    MARKUP: "a field's name",
    "link": "javascript:window.hacked=1",
    "formula": "=cmd|' /C calc'!A0",
}


def write_hostile_ledger(ledger: Ledger) -> None:
    """Record a job that succeeded with hostile items, and a dead letter with a hostile detail."""
    ledger.create()
    url = "https://shop.example/<script>window.hacked=1</script>"
    record(
        ledger,
        [
            job_row(JOB),
            outcome_row(JOB, 1, items=[ITEM], url=url, detail=MARKUP, worker=MARKUP, final_url=url),
            job_row(DEAD_JOB),
            *(
                outcome_row(DEAD_JOB, 2 + each, reason="http_5xx", attempt=each, detail=MARKUP + BIDI)
                for each in range(1, 6)
            ),
            dead_letter_row(DEAD_JOB, 9),
            act_row(Act.REPLAY, 10, detail=MARKUP + BIDI),
        ],
    )
