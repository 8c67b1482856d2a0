"""Entries of a stream are read as they were written, and those of others are refused with a reason."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message
from publishing.redis import wire

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.binary(max_size=50), st.dictionaries(TEXTS, TEXTS, max_size=5), TEXTS, st.integers(0, 2**32))
def test_a_message_is_read_as_it_was_written(
    data: bytes, attributes: dict[str, str], ordering_key: str, published_at: int
) -> None:
    """Data, attributes, ordering key, id and time survive the way through Redis."""
    message = Message(data, attributes, ordering_key)
    found = wire.read(list(wire.fields(message, "id", published_at)))
    assert found == wire.StoredMessage(message, "id", published_at)


VALID = {"message_id": "1", "published_at": 1.5, "attributes": {}}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([], "its fields are not data and properties"),
        ([b"data", b""], "its fields are not data and properties"),
        ([b"data", b"", b"properties", b"", b"more", b""], "its fields are not data and properties"),
        ([b"data", b"x" * 10_000_001, b"properties", json.dumps(VALID).encode()], "10000001 bytes of data"),
        ([b"data", b"", b"properties", b" " * 1_000_001], "1000001 bytes of properties"),
    ],
)
def test_an_entry_with_other_fields_is_foreign(fields: list[bytes], why: str) -> None:
    """An entry without both fields, or with one that is too large, is refused with the reason."""
    with pytest.raises(wire.ForeignMessage, match=why):
        wire.read(fields)


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        (b"\xff", "its properties are not JSON"),
        (b"[" * 100_000, "its properties are not JSON"),
        (b"[]", "its properties are no JSON object"),
        ({**VALID, "message_id": ""}, "it has no message_id"),
        ({**VALID, "published_at": "now"}, "its published_at is no time"),
        ({**VALID, "published_at": float("nan")}, "its published_at is no time"),
        ({**VALID, "published_at": 1e300}, "its published_at is no time"),
        ({**VALID, "ordering_key": 1}, "its ordering_key is no text"),
        ({**VALID, "attributes": {"a": 1}}, "its attributes are no texts"),
        ({**VALID, "attributes": {"a": "\ud800"}}, "lone surrogate"),
        ({**VALID, "attributes": None}, "its attributes are no texts"),
        ({**VALID, "attributes": {str(n): "" for n in range(101)}}, "it has 101 attributes"),
    ],
)
def test_an_entry_with_other_properties_is_foreign(properties: bytes | dict[str, object], why: str) -> None:
    """An entry whose properties no publisher of Scrapeq writes is refused with the reason."""
    raw = properties if isinstance(properties, bytes) else json.dumps(properties).encode()
    with pytest.raises(wire.ForeignMessage, match=why):
        wire.read([b"data", b"", b"properties", raw])


@given(st.binary(max_size=200))
def test_any_properties_are_read_or_refused(properties: bytes) -> None:
    """Reading raises nothing but ForeignMessage."""
    with suppress(wire.ForeignMessage):
        assert wire.read([b"data", b"", b"properties", properties]).message_id


def test_the_data_of_a_foreign_entry_is_kept() -> None:
    """A dead letter of a foreign entry has its data, or all of its fields."""
    assert wire.foreign_data([b"data", b"\x00", b"x", b"1"]) == b"\x00"
    assert wire.foreign_data([b"a", b"1", b"b", b"2"]) == b"a=1\nb=2"


def test_the_data_of_a_foreign_entry_is_cut_to_what_can_be_read() -> None:
    """A dead letter of too much data would be foreign as well."""
    data = wire.foreign_data([b"data", bytes(MAX_DATA_BYTES + 1)])
    assert wire.read(list(wire.fields(Message(data, {}), "id"))).message.data == bytes(MAX_DATA_BYTES)
