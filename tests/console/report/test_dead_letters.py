"""Tests of the lines about dead letters: unknown reasons, advice, and their causes."""

import pytest

from console.ledger.ledger import DeadJob
from console.report.dead_letters import INFRASTRUCTURE, dead_job_lines, dead_letter_lines
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


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.DUPLICATE_DELIVERY, Reason.CANCELLED}))
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


def test_dead_letters_by_infrastructure_come_last_with_their_command() -> None:
    """The dead letters that the infrastructure caused are a group of their own, with one command."""
    jobs = [
        DeadJob("a", "http://a/", 10, "rate_limited", "", "infrastructure"),
        DeadJob("b", "http://b/", 10, "http_404", ""),
        DeadJob("c", "http://c/", 10, "", "", "infrastructure"),
    ]
    lines = dead_letter_lines("run-1", jobs, "scrapeq replay --infrastructure run-1")
    assert lines[0] == "run run-1: 3 dead letters"
    start = lines.index(f"by infrastructure: 2 dead letters. {INFRASTRUCTURE}")
    assert lines[start + 1] == "  to replay just these: scrapeq replay --infrastructure run-1"
    assert [line for line in lines if line.startswith("http")] == ["http://b/", "http://a/", "http://c/"]
    assert lines.index("http://b/") < start < lines.index("http://a/")


def test_no_group_is_shown_without_dead_letters_by_infrastructure() -> None:
    """If no dead letter was caused by the infrastructure, nothing is said about it."""
    lines = dead_letter_lines("run-1", [DeadJob("b", "http://b/", 1, "http_404", "")], "")
    assert lines[0] == "run run-1: 1 dead letter"
    assert not any("infrastructure" in line for line in lines)
