"""Tests of what the ledger says caused a dead letter: the page, the message, or the infrastructure."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from contract.outcome import RENAMED_REASONS, Cause, Reason
from contract.reason_meanings import REASON_MEANINGS
from tests.console.ledger.rows import (
    Row,
    database_with,
    dead_letter_row,
    job_row,
    outcome_row,
    query_view,
    worker_dead_letter_row,
)

#: Every reason code, including those of 0.1, with its cause.
CAUSES = {
    **{reason.value: REASON_MEANINGS[reason].cause for reason in Reason},
    **{old: REASON_MEANINGS[new].cause for old, new in RENAMED_REASONS.items()},
}


def cause_of(*rows: Row) -> object:
    """Return the cause of the only job in the view job_state; the accounting must agree with it."""
    with database_with(rows) as connection:
        [job] = query_view(connection, "job_state")
        [run] = query_view(connection, "run_accounting")
    assert run["dead_infrastructure"] == (job["cause"] == "infrastructure")
    return job["cause"]


def outcomes(reasons: Sequence[str], start: float = 1) -> list[Row]:
    """Return an outcome of each delivery; `""` stands for a delivery without an outcome."""
    return [
        outcome_row("a", start + number, attempt=number, reason=reason)
        for number, reason in enumerate(reasons, 1)
        if reason
    ]


@pytest.mark.parametrize("reason", sorted(CAUSES))
def test_reason_has_the_cause_of_the_contract(reason: str) -> None:
    """For each reason code, the SQL and contract/reason_meanings.py have the same cause."""
    cause = CAUSES[reason]
    assert cause_of(job_row("a"), worker_dead_letter_row("a", 9, reason)) == cause
    if reason not in {Reason.OK, Reason.CANCELLED, Reason.RUN_LIMIT}:  # these jobs are not dead
        found = cause_of(job_row("a"), *outcomes([reason]), dead_letter_row("a", 9, deliveries=1))
        assert found == ("page" if cause is Cause.PAGE else "infrastructure")


@pytest.mark.parametrize(
    ("reasons", "cause"),
    [
        (["http_404"] * 10, "page"),
        (["timeout", "", "shutdown", "", "http_5xx", "rate_limited", "dns", "dns", "dns", ""], "page"),
        (["http_404"] * 4 + ["rate_limited"] * 6, "infrastructure"),
        (["", "", "", "", "", "shutdown", "http_5xx", "http_5xx", "http_5xx", "http_5xx"], "infrastructure"),
        ([""] * 10, "infrastructure"),
    ],
)
def test_dead_letter_is_caused_by_the_page_if_half_of_its_deliveries_were(
    reasons: list[str], cause: str
) -> None:
    """A dead letter of Pub/Sub has the cause `page` if at least 5 of 10 deliveries have such an outcome."""
    rows = [job_row("a"), *outcomes(reasons), dead_letter_row("a", 20, deliveries=10, published=0)]
    assert cause_of(*rows) == cause


def test_outcomes_before_the_last_publish_do_not_count() -> None:
    """After a replay, only the outcomes of the replayed message show the cause of its dead letter."""
    rows = [
        job_row("a"),
        *outcomes(["http_404"] * 5),
        dead_letter_row("a", 10, published=0),
        job_row("a", 20),
    ]
    assert cause_of(*rows, dead_letter_row("a", 30, published=20)) == "infrastructure"
    replayed = outcomes(["http_404"] * 3, start=20)
    assert cause_of(*rows, *replayed, dead_letter_row("a", 30, published=20)) == "page"
    # While the job is not dead, it has no cause.
    assert cause_of(*rows) is None


def test_outcome_in_the_millisecond_of_the_publish_counts() -> None:
    """An outcome that is published a microsecond after its job belongs to this job."""
    row = dead_letter_row("a", 9, deliveries=1, published=1.000001)
    assert cause_of(job_row("a", 1.000001), outcome_row("a", 1.000002, reason="dns"), row) == "page"


def test_repeated_outcome_of_one_delivery_counts_once() -> None:
    """If the outcome of one delivery was published several times, it counts as one delivery."""
    rows = [outcome_row("a", second, attempt=1, reason="dns") for second in range(1, 6)]
    assert (
        cause_of(job_row("a"), *rows, dead_letter_row("a", 9, deliveries=5, published=0)) == "infrastructure"
    )


def test_page_whose_next_page_was_not_published_is_dead_by_the_infrastructure() -> None:
    """The site gave the page at each delivery, so the page is not the cause."""
    rows = [
        outcome_row("a", n, attempt=n, page=1, listing="a", next_url="https://shop.example/2") for n in (1, 2)
    ]
    assert (
        cause_of(job_row("a"), *rows, dead_letter_row("a", 9, deliveries=2, published=0)) == "infrastructure"
    )


@pytest.mark.parametrize(
    "data", [b"", b"\xff{", b"[1]", b"null", b"{}", b'{"version": 3, "url": "http://a/"}']
)
def test_message_that_is_no_job_is_the_cause(data: bytes) -> None:
    """A dead letter whose body is no job of this version has the cause `message`."""
    assert cause_of(job_row("a"), replace(dead_letter_row("a", 9), data=data)) == "message"


def test_dead_letter_without_attributes_has_the_cause_message() -> None:
    """A dead letter of a message without attributes has the cause `message`."""
    with database_with([replace(dead_letter_row("a", 9), attributes={})]) as connection:
        [job] = query_view(connection, "job_state")
    assert (job["state"], job["cause"]) == ("dead", "message")
