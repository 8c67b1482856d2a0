"""Tests of the acts of operators."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ledger.sqlite_views import schema
from contract.faults import UnreadableOperatorAct
from contract.operator_act import MAX_OPERATOR_ACT_BYTES, MAX_TEXT_CHARACTERS, Act, OperatorAct

METADATA = {"subscription_name", "message_id", "publish_time", "attributes"}


@given(
    st.builds(
        OperatorAct,
        act_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        acted_at=st.datetimes(timezones=st.just(UTC)),
        operator=st.text(st.characters(codec="utf-8"), min_size=1, max_size=256),
        act=st.sampled_from(Act),
        run_id=st.sampled_from([None, "books-1"]),
        job_id=st.sampled_from([None, "0" * 32]),
        selection=st.text(st.characters(codec="utf-8"), max_size=50),
        jobs=st.none() | st.integers(0, 10**6),
    )
)
def test_an_act_is_decoded_as_it_was_encoded(act: OperatorAct) -> None:
    """Decoding the message data of an act returns the same act."""
    assert OperatorAct.decode(act.encode()) == act


def test_the_largest_act_fits_into_its_message() -> None:
    """An act with the longest texts, of four-byte characters, is less than the maximum size."""
    text = "😀" * MAX_TEXT_CHARACTERS
    act = OperatorAct(
        act_id="0" * 32,
        acted_at=datetime.now(UTC),
        operator="😀" * 256,
        act=Act.REPLAY,
        selection=text,
        detail=text,
    )
    assert len(act.encode()) < MAX_OPERATOR_ACT_BYTES
    assert OperatorAct.decode(act.encode()) == act


@pytest.mark.parametrize("data", [b"", b"{}", b'{"act": "destroy"}', b"\xff", b"[" * 100_000])
def test_another_message_is_unreadable(data: bytes) -> None:
    """Data that is not an act is refused with its faults."""
    with pytest.raises(UnreadableOperatorAct):
        OperatorAct.decode(data)


def test_the_columns_of_the_operator_log_are_the_fields_of_an_act() -> None:
    """With the table's schema, each field of an act is written, and each other column is metadata."""
    columns = {column["name"] for column in schema("operator_log")}
    assert columns == set(OperatorAct.model_fields) | METADATA
