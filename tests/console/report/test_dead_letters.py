"""Tests of the lines about dead letters: unknown reasons, advice, and their causes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from console.dead_letters.filter import read_filter
from console.ledger.dead_letter_rows import DeadLetter
from console.ledger.ledger import DeadJob
from console.report.dead_letters import INFRASTRUCTURE, dead_job_lines, dead_letter_lines, grouped
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS


def test_unknown_reason_is_shown_unchanged() -> None:
    """A reason code that this version does not have is printed without a meaning."""
    job = DeadJob("a", "http://b/", 1, "solar_flare", "")
    assert dead_job_lines(job) == ["http://b/", "  1 attempt, the last: solar_flare"]


def test_dead_letter_of_a_transient_reason_is_advised_to_be_replayed() -> None:
    """For a dead letter with a transient reason, the advice is to check the site and replay."""
    text = "\n".join(dead_job_lines(DeadJob("a", "http://b/", 5, "timeout", "")))
    assert "nothing" not in text
    assert "then replay" in text


@pytest.mark.parametrize(
    "reason", sorted(set(Reason) - {Reason.DUPLICATE_DELIVERY, Reason.CANCELLED, Reason.RUN_LIMIT})
)
def test_every_dead_letter_has_something_to_do(reason: Reason) -> None:
    """No dead letter is advised that there is nothing to do, or that its job is tried again."""
    last = dead_job_lines(DeadJob("a", "http://b/", 5, reason, ""))[-1]
    assert last.startswith("  what to do: ")
    assert "nothing" not in last
    assert "tried again" not in last


def test_page_whose_next_page_was_not_published_is_explained_as_such() -> None:
    """A dead letter whose page was scraped has the meaning of `publish_unconfirmed`."""
    meaning = REASON_MEANINGS[Reason.PUBLISH_UNCONFIRMED]
    job = DeadJob("a", "http://b/", 5, "ok", "", "infrastructure")
    assert dead_job_lines(job)[1:] == [
        f"  5 attempts, the last: publish_unconfirmed ({meaning.sentence})",
        f"  what to do: {meaning.remedy}",
    ]


def test_unreadable_message_is_explained_as_such() -> None:
    """A dead letter that no worker can read has the meaning and the remedy of `bad_job`."""
    meaning = REASON_MEANINGS[Reason.BAD_JOB]
    assert dead_job_lines(DeadJob("", "", 10, "", "", "message")) == [
        "job without an id",
        f"  10 attempts: {meaning.sentence}",
        f"  what to do: {meaning.remedy}",
    ]


def letter(job: str, reason: str, cause: str = "page", **fields: Any) -> DeadLetter:  # noqa: ANN401 - each field has its type
    """Return a dead letter."""
    known = DeadLetter(
        f"m-{job}", job, "run-1", "books", f"http://{job}/", job, "book", 10, reason, 0, "", cause, "2026"
    )
    return known._replace(**fields)


def shown(*letters: DeadLetter, limit: int = 20) -> list[str]:
    """Return the lines about dead letters of a run."""
    return dead_letter_lines("run run-1", letters, ("scrapeq", "dead"), ("run-1",), limit)


def test_dead_letters_by_infrastructure_come_last_with_their_command() -> None:
    """The dead letters that the infrastructure caused follow the others, with one command for all."""
    lines = shown(
        letter("a", "rate_limited", "infrastructure"),
        letter("b", "http_404"),
        letter("c", "", "infrastructure"),
    )
    assert lines[0] == "run run-1: 3 dead letters"
    start = lines.index(f"by infrastructure: 2 dead letters. {INFRASTRUCTURE}")
    assert lines[start + 1] == "  to replay just these: scrapeq dead replay run-1 --infrastructure"
    jobs = [line.split()[-1] for line in lines if "attempts  http" in line]
    assert jobs == ["http://b/", "http://c/", "http://a/"]
    assert lines.index("  b  10 attempts  http://b/") < start


def test_no_group_is_shown_without_dead_letters_by_infrastructure() -> None:
    """If no dead letter was caused by the infrastructure, nothing is said about it."""
    lines = shown(letter("b", "http_404"))
    assert lines[0] == "run run-1: 1 dead letter"
    assert not any("infrastructure" in line for line in lines)


def test_groups_are_by_status_and_host_and_the_largest_is_first() -> None:
    """Dead letters of one status and host are one group, whose filter selects just these."""
    letters = [letter(str(n), "http_5xx", http_status=503, host="a") for n in range(3)]
    groups = grouped([letter("x", "http_5xx", http_status=500, host="a"), *letters])
    assert [(group.where, len(group.letters)) for group in groups] == [
        ("reason=http_503 host=a cause=page", 3),
        ("reason=http_500 host=a cause=page", 1),
    ]
    for group in groups:
        chosen = [each for each in letters if read_filter(group.where).matches(each, datetime.now(UTC))]
        assert len(chosen) == (3 if group.where.startswith("reason=http_503") else 0)


def test_long_groups_are_truncated() -> None:
    """No more than the limit are shown of a group, and a line says how many there are."""
    lines = shown(*[letter(str(n), "timeout", host="a") for n in range(5)], limit=2)
    assert sum("attempts  http" in line for line in lines) == 2
    assert lines[-1] == "  and 3 more; --limit shows more of them"


def test_text_of_a_message_cannot_control_the_terminal() -> None:
    """URLs, hosts, ids and details are shown without control characters."""
    hostile = "\x1b[2J"
    lines = shown(letter("a", "timeout", job_id=hostile, url=hostile, host=hostile, detail=hostile))
    assert not any("\x1b" in line for line in lines)
