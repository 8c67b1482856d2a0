"""Tests of outcomes, of reasons and their HTTP statuses, and of the encoding of outcome records."""

import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from contract.faults import UnreadableOutcome
from contract.outcome import (
    ACKNOWLEDGING,
    MAX_DETAIL_CHARACTERS,
    OUTCOME_MEANINGS,
    RENAMED_REASONS,
    Outcome,
    Reason,
)
from contract.outcome_record import OutcomeRecord, items_json
from contract.reason_meanings import REASON_MEANINGS, status_of
from tests.contract.documents import OUTCOME, as_bytes, json_values, outcomes, texts


def test_every_outcome_has_a_status() -> None:
    """Every outcome has an HTTP status, so no default of a framework can acknowledge a push."""
    assert OUTCOME_MEANINGS.keys() == set(Outcome)


def test_every_reason_has_a_meaning() -> None:
    """Every reason has a sentence and a remedy."""
    assert REASON_MEANINGS.keys() == set(Reason)
    assert all(meaning.sentence and meaning.remedy for meaning in REASON_MEANINGS.values())


def test_every_outcome_has_a_reason() -> None:
    """Every outcome has a reason that leads to it, except `deferred`, which has the reasons of `retry`."""
    assert {meaning.outcome for meaning in REASON_MEANINGS.values()} == set(Outcome) - {Outcome.DEFERRED}


@pytest.mark.parametrize("reason", Reason)
def test_only_a_retry_or_a_crash_can_be_deferred(reason: Reason) -> None:
    """A record with outcome `deferred` is valid only if its reason leads to `retry` or `crashed`."""
    outcome = Outcome.DEFERRED.value
    if REASON_MEANINGS[reason].outcome in {Outcome.RETRY, Outcome.CRASHED}:
        assert a_record(outcome=outcome, reason=reason).outcome is Outcome.DEFERRED
    else:
        with pytest.raises(ValidationError, match=f"{reason} is a reason for"):
            a_record(outcome=outcome, reason=reason)


@pytest.mark.parametrize("reason", Reason)
def test_only_the_status_of_an_ended_job_acknowledges(reason: Reason) -> None:
    """The status of a reason acknowledges the push only if the job succeeded or was cancelled."""
    is_over = REASON_MEANINGS[reason].outcome in {Outcome.SUCCEEDED, Outcome.CANCELLED}
    assert (status_of(reason) in ACKNOWLEDGING) is is_over


def test_ok_is_the_only_reason_of_success() -> None:
    """`ok` is the only reason of a success, but for a message that was finished before."""
    assert [reason for reason in Reason if REASON_MEANINGS[reason].outcome is Outcome.SUCCEEDED] == [
        Reason.OK,
        Reason.DUPLICATE_DELIVERY,
    ]


def test_acknowledging_statuses_are_those_of_pubsub() -> None:
    """The acknowledging statuses are those at https://cloud.google.com/pubsub/docs/push#receive_push."""
    assert sorted(ACKNOWLEDGING) == [102, 200, 201, 202, 204]


@pytest.mark.parametrize("reason", Reason)
def test_every_status_is_an_error_or_no_content(reason: Reason) -> None:
    """Every status is 204, 4xx or 5xx; a final status cannot be 1xx, and a client might follow a 3xx."""
    assert status_of(reason) == 204 or 400 <= status_of(reason) < 600


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.OK, 204),
        (Reason.TIMEOUT, 503),
        (Reason.HTTP_429, 429),
        (Reason.HTTP_404, 422),
        (Reason.MISSING_FIELD, 422),
        (Reason.BAD_ENVELOPE, 400),
        (Reason.NO_TOKEN, 401),
        (Reason.WRONG_CALLER, 403),
        (Reason.NO_CERTIFICATES, 503),
        (Reason.INTERNAL_ERROR, 500),
    ],
)
def test_status_of_reason_is_the_documented_one(reason: Reason, status: int) -> None:
    """The statuses of these reasons are those in the documentation."""
    assert status_of(reason) == status


def test_crashes_and_unreadable_jobs_are_logged_as_errors() -> None:
    """`crashed` and `unreadable` have the log level ERROR, and `succeeded` has INFO."""
    assert (
        OUTCOME_MEANINGS[Outcome.CRASHED].level == OUTCOME_MEANINGS[Outcome.UNREADABLE].level == logging.ERROR
    )
    assert OUTCOME_MEANINGS[Outcome.SUCCEEDED].level == logging.INFO


@given(record=outcomes())
def test_encoded_outcome_is_decoded_unchanged(record: OutcomeRecord) -> None:
    """A decoded outcome equals the outcome that was encoded, and encoding it again gives the same bytes."""
    assert OutcomeRecord.decode(record.encode()) == record
    assert OutcomeRecord.decode(record.encode()).encode() == record.encode()


@given(record=outcomes())
def test_every_field_of_outcome_is_encoded(record: OutcomeRecord) -> None:
    """An encoded outcome contains every field, because BigQuery subscriptions fill columns by field name."""
    assert json.loads(record.encode()).keys() == OutcomeRecord.model_fields.keys()


def a_record(**fields: object) -> OutcomeRecord:
    """Return a record with these fields."""
    return OutcomeRecord.model_validate(OUTCOME | {"fetched_at": datetime.now(UTC)} | fields)


@pytest.mark.parametrize("field", ["worker", "final_url", "items", "detail"])
def test_lone_surrogate_in_outcome_becomes_a_question_mark(field: str) -> None:
    """A lone surrogate in an outcome is replaced by a question mark, so the outcome can be encoded."""
    record = a_record(**{field: "a\ud800b"})
    assert getattr(record, field) == "a?b"
    assert OutcomeRecord.decode(record.encode()) == record


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nan_in_outcome_is_rejected(number: float) -> None:
    """NaN and infinity are rejected in an outcome, because they would be encoded as null."""
    with pytest.raises(ValidationError):
        a_record(fetch_seconds=number)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("outcome", "fine", "outcome: Input should be 'succeeded'"),
        ("reason", "because", "reason: Input should be 'ok'"),
        ("attempt", -1, "attempt: Input should be greater than or equal to 0"),
        ("fetched_at", "2026-11-22T06:00:00", "fetched_at: Input should have timezone info"),
        ("detail", "x" * (MAX_DETAIL_CHARACTERS + 1), "detail: String should have at most 1000 characters"),
        ("items", [], "items: Input should be a valid string (got [])"),
    ],
)
def test_outcome_fault_has_path_and_message(field: str, value: object, message: str) -> None:
    """The error for an invalid outcome gives the path of the fault and a message."""
    with pytest.raises(UnreadableOutcome) as caught:
        OutcomeRecord.decode(as_bytes(OUTCOME | {field: value}))
    assert message in str(caught.value)


@pytest.mark.parametrize(("old", "new"), RENAMED_REASONS.items())
def test_a_reason_of_0_1_is_decoded_as_the_reason_that_replaced_it(old: str, new: Reason) -> None:
    """A reason code of version 0.1 is decoded as the reason that replaced it."""
    outcome = REASON_MEANINGS[new].outcome
    record = OutcomeRecord.decode(as_bytes(OUTCOME | {"outcome": outcome, "reason": old}))
    assert record.reason is new
    assert Reason(old) is new
    assert json.loads(record.encode())["reason"] == new.value


def test_renamed_reason_codes_are_not_used_again() -> None:
    """No current reason has a code that version 0.1 used for another reason."""
    assert RENAMED_REASONS.keys().isdisjoint(set(Reason))


def test_detail_of_max_characters_is_kept() -> None:
    """A detail of exactly MAX_DETAIL_CHARACTERS is accepted and kept unchanged."""
    assert len(a_record(detail="x" * MAX_DETAIL_CHARACTERS).detail) == MAX_DETAIL_CHARACTERS


@given(record=outcomes())
def test_outcome_attributes_fit_pubsub_and_filters(record: OutcomeRecord) -> None:
    """Subscriptions can filter by outcome and reason; no attribute is empty or longer than 1,024 bytes."""
    attributes = record.attributes("")
    assert attributes["outcome"] == record.outcome.value
    assert attributes["reason"] == record.reason.value
    assert all(0 < len(value.encode()) <= 1024 for value in attributes.values())
    assert not any(key.startswith("goog") for key in attributes)


@given(items=st.lists(st.dictionaries(texts, json_values, max_size=3), max_size=3))
def test_items_json_is_json(items: list[dict[str, JsonValue]]) -> None:
    """`items_json` returns valid JSON that contains exactly the items."""
    assert json.loads(items_json(items)) == items


def test_items_with_nan_are_rejected() -> None:
    """Items with NaN raise ValueError, because a JSON column would reject the whole row."""
    with pytest.raises(ValueError, match="JSON compliant"):
        items_json([{"price": float("nan")}])
