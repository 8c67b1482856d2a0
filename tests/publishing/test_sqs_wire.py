"""Messages survive the way through a message of SQS."""

import json
import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message
from publishing.sqs import wire

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
MESSAGES = st.builds(Message, st.binary(max_size=100), st.dictionaries(TEXTS, TEXTS, max_size=8), TEXTS)
#: Characters that SQS accepts in a body that is ASCII: SendMessage in its API reference.
ACCEPTED = re.compile(r"[\t\n\r -~]*")
STORED = wire.StoredMessage(Message(b"{}", {}), "an-id", 0, 0)


@given(MESSAGES, st.floats(0, 2**32), st.integers(0, 1000))
def test_a_message_is_read_as_it_was_written(message: Message, published_at: float, earlier: int) -> None:
    """Data, attributes, ordering key, id, time and attempts are kept, in characters that SQS accepts."""
    stored = wire.StoredMessage(message, "an-id", published_at, earlier)
    body = wire.write_copy(stored)
    assert ACCEPTED.fullmatch(body)
    assert wire.read(body) == stored


@pytest.mark.parametrize("size", [wire.MIN_COMPRESSED_BYTES - 1, wire.MIN_COMPRESSED_BYTES, 8 * 1024 * 1024])
def test_large_data_is_compressed(size: int) -> None:
    """Data that SQS would charge as several requests is compressed, and read as it was."""
    stored = STORED._replace(message=Message(bytes(size), {}))
    body = wire.write_copy(stored)
    assert wire.read(body) == stored
    assert ("zlib" in body) == (size >= wire.MIN_COMPRESSED_BYTES)
    assert len(body) < 64 * 1024


def test_a_message_that_would_not_fit_as_a_dead_letter_is_refused() -> None:
    """A message that is published leaves room for the reasons of its dead letter."""
    data = random.Random(1).randbytes((wire.MAX_BODY_BYTES - wire.RESERVED_BYTES) * 3 // 4)
    with pytest.raises(wire.TooLarge, match=f"the maximum is {wire.MAX_BODY_BYTES - wire.RESERVED_BYTES}"):
        wire.write(Message(data, {}), "an-id")
    assert wire.read(wire.write_copy(STORED._replace(message=Message(data, {})))).message.data == data


def test_a_foreign_message_fits_into_its_dead_letter() -> None:
    """Whatever another program has sent, its dead letter can be sent, too."""
    text = "".join(random.Random(1).choices(string.ascii_letters + string.punctuation, k=wire.MAX_BODY_BYTES))
    data = wire.foreign_data(text)
    assert text.encode().startswith(data)
    assert wire.read(wire.write_copy(STORED._replace(message=Message(data, {})))).message.data == data


def test_a_copy_that_sqs_would_not_take_is_refused() -> None:
    """SQS's own limit holds for copies."""
    with pytest.raises(wire.TooLarge, match=f"the maximum is {wire.MAX_BODY_BYTES}"):
        wire.write_copy(STORED._replace(message=Message(b"", {"a": "x" * wire.MAX_BODY_BYTES})))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"messageId": None}, "no messageId"),
        ({"messageId": 7}, "no messageId"),
        ({"messageId": ""}, "no messageId"),
        ({"publishTime": "now"}, "no time"),
        ({"publishTime": -1}, "no time"),
        ({"publishTime": 2**33}, "no time"),
        ({"publishTime": True}, "no time"),
        ({"publishTime": float("nan")}, "no time"),
        ({"orderingKey": 1}, "orderingKey is no text"),
        ({"earlierAttempts": -1}, "no count"),
        ({"earlierAttempts": True}, "no count"),
        ({"earlierAttempts": 2**31}, "no count"),
        ({"attributes": []}, "no texts"),
        ({"attributes": {"retries": 3}}, "no texts"),
        ({"attributes": {str(number): "" for number in range(101)}}, "101 attributes"),
        ({"attributes": {"a": "\ud800"}}, "lone surrogate"),
        ({"messageId": "\ud800"}, "lone surrogate"),
        ({"data": None}, "no data"),
        ({"data": "§"}, "no base64"),
        ({"data": "e30"}, "cannot be decoded"),
        ({"encoding": "gzip"}, "encoding is unknown"),
        ({"encoding": ["zlib"]}, "encoding is unknown"),
        ({"encoding": "zlib"}, "cannot be decoded"),
    ],
)
def test_a_message_of_another_program_is_rejected(change: dict[str, object], why: str) -> None:
    """A message that no publisher of this project can have written is an error that says why."""
    document = {**json.loads(wire.write_copy(STORED)), **change}
    with pytest.raises(wire.ForeignMessage, match=why):
        wire.read(json.dumps(document))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no JSON object"),
        ("1", "no JSON object"),
    ],
)
def test_a_text_of_another_program_is_rejected(body: str, why: str) -> None:
    """A body that is no JSON object is an error that says so."""
    with pytest.raises(wire.ForeignMessage, match=why):
        wire.read(body)


@pytest.mark.parametrize("excess", [1, 1_000_000_000])
def test_data_that_decompresses_to_too_much_is_rejected(excess: int) -> None:
    """A decompression bomb is an error, and is not decompressed to its end."""
    size = min(MAX_DATA_BYTES + excess, 100_000_000)
    body = wire.write_copy(STORED._replace(message=Message(bytes(size), {})))
    with pytest.raises(wire.ForeignMessage, match=f"more than {MAX_DATA_BYTES} bytes"):
        wire.read(body)


def test_data_that_ends_too_early_is_rejected() -> None:
    """Compressed data that was cut off is an error."""
    document = json.loads(wire.write_copy(STORED._replace(message=Message(bytes(100_000), {}))))
    document["data"] = document["data"][:40]
    with pytest.raises(wire.ForeignMessage, match="ends too early"):
        wire.read(json.dumps(document))


@pytest.mark.parametrize("key", ["example.org#0", "x" * 128])
def test_the_group_is_the_ordering_key(key: str) -> None:
    """The messages of an ordering key are a group of a FIFO queue."""
    assert wire.group_of(Message(b"", {}, key), "an-id") == key


@pytest.mark.parametrize("key", ["x" * 129, "ä", "a b", "\n"])
def test_a_key_that_is_no_valid_group_is_hashed(key: str) -> None:
    """SQS accepts 128 printable characters; another key has a group of its own, always the same one."""
    group = wire.group_of(Message(b"", {}, key), "an-id")
    assert re.fullmatch("[0-9a-f]{64}", group)
    assert (
        group
        == wire.group_of(Message(b"{}", {}, key), "other")
        != wire.group_of(Message(b"", {}, key + "x"), "")
    )


def test_a_message_without_a_key_has_a_group_of_its_own() -> None:
    """In a FIFO queue it waits for no other message."""
    assert wire.group_of(Message(b"", {}), "an-id") == "an-id"
