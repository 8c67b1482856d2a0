"""Histories of jobs as rows of the ledger, with the expected state of each job, derived by hand."""

from dataclasses import replace

from contract.operator_act import Act
from tests.console.ledger.rows import (
    Row,
    act_row,
    dead_letter_row,
    job_row,
    outcome_row,
    worker_dead_letter_row,
)

LONG_AGO = "2020-01-01T00:00:00.000000Z"  #: a publish time that is older than the message retention


def page_row(job: str, second: float, *, attempt: int = 1) -> Row:
    """Return the success of a listing's first page, which another page follows."""
    url = "https://shop.example/?page=2"
    return outcome_row(job, second, attempt=attempt, page=1, listing=job, next_url=url)


#: For each job, its rows in the ledger, and its expected state, number of attempts and last reason.
HISTORIES: dict[str, tuple[list[Row], str, int, str | None]] = {
    "queued": ([job_row("queued")], "queued", 0, None),
    "retrying": (
        [job_row("retrying"), outcome_row("retrying", 2, attempt=1, reason="timeout")],
        "retrying", 1, "timeout",
    ),
    "recovered": (
        [
            job_row("recovered"),
            outcome_row("recovered", 4, attempt=2),
            outcome_row("recovered", 2, attempt=1, reason="dns"),
        ],
        "succeeded", 2, "ok",
    ),
    "twice": (
        [
            job_row("twice"),
            outcome_row("twice", 2, items=[{"n": 1}]),
            outcome_row("twice", 5, items=[{"n": 2}]),
        ],
        "succeeded", 1, "ok",
    ),
    "too-late": (
        [job_row("too-late"), dead_letter_row("too-late", 3), outcome_row("too-late", 2, attempt=5)],
        "succeeded", 5, "ok",
    ),
    "dead": (
        [
            job_row("dead"),
            outcome_row("dead", 2, attempt=1, reason="dns"),
            outcome_row("dead", 4, attempt=5, reason="http_5xx"),
            dead_letter_row("dead", 5),
        ],
        "dead", 5, "http_5xx",
    ),
    "silent": ([job_row("silent"), dead_letter_row("silent", 5, deliveries=7)], "dead", 7, None),
    "replayed": (
        [
            job_row("replayed"),
            outcome_row("replayed", 2, attempt=5, reason="tls"),
            dead_letter_row("replayed", 3),
            job_row("replayed", 9),
        ],
        "retrying", 5, "tls",
    ),
    "revived": (
        [
            job_row("revived"),
            outcome_row("revived", 2, attempt=5, reason="tls"),
            dead_letter_row("revived", 3),
            job_row("revived", 9),
            outcome_row("revived", 10, attempt=1),
        ],
        "succeeded", 5, "ok",
    ),
    "dead-again": (
        [
            job_row("dead-again"),
            dead_letter_row("dead-again", 3),
            job_row("dead-again", 9),
            outcome_row("dead-again", 10, attempt=5, reason="tls"),
            dead_letter_row("dead-again", 11),
        ],
        "dead", 5, "tls",
    ),
    # The next two jobs have ACK_POLICY=settled. The first is deferred twice and published again each time;
    # the second is dead-lettered by the worker.
    "deferred": (
        [
            job_row("deferred"),
            outcome_row("deferred", 1, attempt=1, reason="http_429"),
            job_row("deferred", 1.1),
            outcome_row("deferred", 5, attempt=1, reason="http_5xx"),
            job_row("deferred", 5.1),
        ],
        "retrying", 1, "http_5xx",
    ),
    "settled": (
        [
            job_row("settled"),
            outcome_row("settled", 2, attempt=1, reason="http_404"),
            worker_dead_letter_row("settled", 2.1),
        ],
        "dead", 1, "http_404",
    ),
    # The outcomes of this job have no attempt number (0), so its attempts are counted by their rows.
    "uncounted": (
        [job_row("uncounted"), *(outcome_row("uncounted", n, attempt=0, reason="dns") for n in (1, 2, 3))],
        "retrying", 3, "dns",
    ),
    # The next jobs are first pages of listings that have a second page. The job of this page could not be
    # published yet, or only after a replay.
    "not-continued": ([job_row("not-continued"), page_row("not-continued", 2)], "retrying", 1, "ok"),
    "cut-off": (
        [job_row("cut-off"), page_row("cut-off", 2, attempt=5), dead_letter_row("cut-off", 3)],
        "dead", 5, "ok",
    ),
    "cut-off-replayed": (
        [
            job_row("cut-off-replayed"),
            page_row("cut-off-replayed", 2, attempt=5),
            dead_letter_row("cut-off-replayed", 3),
            job_row("cut-off-replayed", 9),
        ],
        "retrying", 5, "ok",
    ),
    "cut-off-continued": (
        [
            job_row("cut-off-continued"),
            page_row("cut-off-continued", 2, attempt=5),
            dead_letter_row("cut-off-continued", 3),
            job_row("cut-off-continued", 9),
            page_row("cut-off-continued", 10, attempt=1),
        ],
        "succeeded", 5, "ok",
    ),
    # The job of the second page of this one was published, but the acknowledgements were lost.
    "unacknowledged": (
        [
            job_row("unacknowledged"),
            page_row("unacknowledged", 2, attempt=5),
            dead_letter_row("unacknowledged", 3),
        ],
        "succeeded", 5, "ok",
    ),
    # These are the second pages of the last two.
    "second": ([job_row("second", 10.1, listing="cut-off-continued", page=2)], "queued", 0, None),
    "other-second": (
        [
            job_row("other-second", 2.1, listing="unacknowledged", page=2),
            outcome_row("other-second", 4, reason="tls", page=2, listing="unacknowledged"),
        ],
        "retrying", 1, "tls",
    ),
    # An operator has cancelled the run of the next jobs. A page that was requested before has its success.
    "cancelled": (
        [job_row("cancelled"), outcome_row("cancelled", 2, attempt=1, reason="cancelled")],
        "cancelled", 1, "cancelled",
    ),
    "cancelled-in-time": (
        [
            job_row("cancelled-in-time"),
            outcome_row("cancelled-in-time", 2, attempt=1),
            outcome_row("cancelled-in-time", 3, attempt=2, reason="cancelled"),
        ],
        "succeeded", 2, "cancelled",
    ),
    "cancelled-then-dispatched": (
        [
            job_row("cancelled-then-dispatched"),
            outcome_row("cancelled-then-dispatched", 2, attempt=1, reason="cancelled"),
            job_row("cancelled-then-dispatched", 4),
        ],
        "retrying", 1, "cancelled",
    ),
    # An operator has dropped the dead letters of the next jobs; that of the second was replayed from a copy.
    "dropped": (
        [job_row("dropped"), dead_letter_row("dropped", 3), act_row(Act.DROP, 5, job="dropped")],
        "dropped", 5, None,
    ),
    "dropped-then-replayed": (
        [
            job_row("dropped-then-replayed"),
            dead_letter_row("dropped-then-replayed", 3),
            act_row(Act.DROP, 5, job="dropped-then-replayed"),
            job_row("dropped-then-replayed", 7),
        ],
        "retrying", 5, None,
    ),
    # The next two jobs were replaced: one was dead, the other had succeeded. Then come their replacements.
    "replaced": (
        [
            job_row("replaced"),
            outcome_row("replaced", 2, attempt=5, reason="missing_field"),
            dead_letter_row("replaced", 3),
        ],
        "replaced", 5, "missing_field",
    ),
    "replaced-success": (
        [job_row("replaced-success"), outcome_row("replaced-success", 2)],
        "replaced", 1, "ok",
    ),
    "replacement": (
        [
            job_row("replacement", 8, replaces="replaced"),
            outcome_row("replacement", 9, original="replaced"),
        ],
        "succeeded", 1, "ok",
    ),
    "better": (
        [
            job_row("better", 8, replaces="replaced-success"),
            outcome_row("better", 9, original="replaced-success"),
        ],
        "succeeded", 1, "ok",
    ),
    # The last three jobs are missing: one is too old, and the ledger has no dispatch of the other two.
    "lost": ([replace(job_row("lost"), publish_time=LONG_AGO)], "queued", 0, None),
    "unknown-success": ([outcome_row("unknown-success", 2)], "succeeded", 1, "ok"),
    "unknown-death": ([dead_letter_row("unknown-death", 2)], "dead", 5, None),
}  # fmt: skip
ROWS = [row for rows, *_ in HISTORIES.values() for row in rows]
