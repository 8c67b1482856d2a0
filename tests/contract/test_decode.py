"""Each decoder of untrusted bytes returns a value or raises its own exception, whose `raw` is the input."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.crawl import MAX_CRAWL_BYTES, Crawl
from contract.faults import (
    MAX_DEPTH,
    Undecodable,
    UnreadableCrawl,
    UnreadableEnvelope,
    UnreadableJob,
    UnreadableOutcome,
    parse_json_object,
    unsupported_values,
)
from contract.job import MAX_JOB_BYTES, Job
from contract.job_id import identify
from contract.outcome_record import MAX_OUTCOME_BYTES, OutcomeRecord
from extraction.selectors import CHECKS
from push_endpoint.envelope import MAX_ENVELOPE_BYTES, Envelope
from tests.contract.documents import CRAWL, JOB, OUTCOME, PUSH, as_bytes, mangled


class Decoder(NamedTuple):
    """A decoder under test.

    Attributes:
        decode: decodes bytes.
        error: the class of the exception for invalid input.
        document: a valid document.
        max_bytes: size of the largest document that is accepted.
    """

    decode: Callable[[bytes], object]
    error: type[Undecodable]
    document: dict[str, Any]
    max_bytes: int


DECODERS = {
    "crawl": Decoder(partial(Crawl.decode, selectors=CHECKS), UnreadableCrawl, CRAWL, MAX_CRAWL_BYTES),
    "job": Decoder(partial(Job.decode, selectors=CHECKS), UnreadableJob, JOB, MAX_JOB_BYTES),
    "push": Decoder(Envelope.parse, UnreadableEnvelope, PUSH, MAX_ENVELOPE_BYTES),
    "outcome": Decoder(OutcomeRecord.decode, UnreadableOutcome, OUTCOME, MAX_OUTCOME_BYTES),
}
every_decoder = pytest.mark.parametrize("kind", DECODERS)


def error_of(kind: str, body: bytes) -> Undecodable:
    """Return the exception with which a decoder rejects `body`."""
    decoder = DECODERS[kind]
    with pytest.raises(decoder.error) as caught:
        decoder.decode(body)
    return caught.value


def decode_or_reject(kind: str, body: bytes) -> object | None:
    """Return the decoded `body`; if it is rejected, check the exception and return None."""
    decoder = DECODERS[kind]
    try:
        return decoder.decode(body)
    except decoder.error as error:
        rejected = error
    assert rejected.raw == body
    assert rejected.faults
    assert str(rejected).encode(), "the message must not be empty and must be encodable as UTF-8"
    return None


@every_decoder
@given(body=st.binary(max_size=200))
def test_decode_of_arbitrary_bytes_raises_only_the_declared_error(kind: str, body: bytes) -> None:
    """Arbitrary bytes are decoded or rejected with the decoder's declared exception."""
    decode_or_reject(kind, body)


@every_decoder
@given(data=st.data())
def test_decode_of_damaged_document_raises_only_the_declared_error(kind: str, data: st.DataObject) -> None:
    """A document with one value replaced is decoded or rejected with the decoder's declared exception."""
    decode_or_reject(kind, data.draw(mangled(DECODERS[kind].document)))


@every_decoder
@given(data=st.data())
def test_decode_of_truncated_document_is_rejected(kind: str, data: st.DataObject) -> None:
    """Every truncated document is rejected; none is mistaken for a complete document."""
    body = as_bytes(DECODERS[kind].document)
    at = data.draw(st.integers(0, len(body) - 1))
    assert decode_or_reject(kind, body[:at]) is None


@given(body=mangled(JOB))
def test_decoded_job_can_be_encoded_again(body: bytes) -> None:
    """Every job that was decoded can be encoded, because a replay encodes the jobs that it decodes."""
    job = decode_or_reject("job", body)
    if isinstance(job, Job):
        assert Job.decode(job.encode()) == job
        assert identify(job.run_id, job.url, job.recipe)


@given(body=mangled(CRAWL))
def test_jobs_of_a_decoded_crawl_can_be_encoded(body: bytes) -> None:
    """A crawl whose jobs could not be encoded is rejected when it is decoded."""
    crawl = decode_or_reject("crawl", body)
    if isinstance(crawl, Crawl):
        job = Job.model_validate(JOB | {"recipe": crawl.recipe, "politeness": crawl.politeness})
        assert Job.decode(job.encode()) == job


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the {} is empty"),
        (b"\xff\xfe\x00", "the {} is not UTF-8: invalid start byte at byte 0"),
        ('{"a": 1}'.encode("utf-16"), "the {} is not UTF-8"),
        ('{"a": 1}'.encode("utf-32-le"), "the {} is not JSON"),
        (b'{"a": "\xed\xa0\x80"}', "the {} is not UTF-8"),
        (b'{"a": "\\ud800"}', "a lone surrogate"),
        (b'{"\\udfff": 1}', "a lone surrogate"),
        (b'{"a": "\x00"}', "the {} is not JSON: Invalid control character"),
        (b" ", "the {} is not JSON: Expecting value at line 1 column 2"),
        (b"{", "the {} is not JSON"),
        (b"{}{}", "the {} is not JSON: Extra data"),
        (b"{'a': 1}", "the {} is not JSON"),
        (b"null", "the {} is a JSON null, not an object"),
        (b"true", "the {} is a JSON boolean, not an object"),
        (b"1.5", "the {} is a JSON number, not an object"),
        (b'"{}"', "the {} is a JSON string, not an object"),
        (b"[{}]", "the {} is a JSON array, not an object"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": Infinity}', "Infinity is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "a: inf is not a JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the {} is JSON with an unsupported value"),
        (b"[" * 20_000, "the {} is nested too deeply"),
        (b'{"a":' * 20_000, "{}"),
    ],
)
@every_decoder
def test_decode_rejects_input_other_than_a_json_object(kind: str, body: bytes, message: str) -> None:
    """The input must follow RFC 8259 (UTF-8, no NaN, no lone surrogates) and be a single JSON object."""
    error = error_of(kind, body)
    assert message.format(kind) in str(error)
    assert error.raw == body


@every_decoder
def test_decode_ignores_a_byte_order_mark(kind: str) -> None:
    """A byte order mark, which some Windows editors write, is ignored, as RFC 8259 section 8.1 allows."""
    decoder = DECODERS[kind]
    body = as_bytes(decoder.document)
    assert decoder.decode(b"\xef\xbb\xbf" + body) == decoder.decode(body)


@pytest.mark.parametrize("kind", ["job", "push", "outcome"])
def test_decode_accepts_nesting_up_to_max_depth(kind: str) -> None:
    """A document with MAX_DEPTH levels of nesting is accepted, and one with one more level is rejected."""
    document = DECODERS[kind].document
    inner: object = 0
    for _ in range(MAX_DEPTH - 1):
        inner = [inner]
    assert DECODERS[kind].decode(as_bytes(document | {"later": inner}))
    assert "nested too deeply" in str(error_of(kind, as_bytes(document | {"later": [inner]})))


@every_decoder
def test_decode_accepts_documents_up_to_max_bytes(kind: str) -> None:
    """A document of `max_bytes` is accepted. The error for a larger one gives its size and the maximum."""
    decoder = DECODERS[kind]
    exact = as_bytes(decoder.document).ljust(decoder.max_bytes)
    assert decoder.decode(exact)
    error = error_of(kind, exact + b" ")
    assert f"has {decoder.max_bytes + 1} bytes; the maximum is {decoder.max_bytes}" in str(error)


@every_decoder
def test_decode_rejects_eleven_megabytes_without_parsing(kind: str) -> None:
    """A document larger than any Pub/Sub message is rejected because of its size, whatever it contains."""
    assert "the maximum is" in str(error_of(kind, b"\xff" * 11_000_000))


@pytest.mark.parametrize("kind", ["job", "push", "outcome"])
def test_decode_ignores_unknown_fields_of_messages(kind: str) -> None:
    """Unknown fields, which a later version may add, do not change the decoded message."""
    decoder = DECODERS[kind]
    later = decoder.document | {"later": {"a": [1]}}
    for name, inner in decoder.document.items():
        if isinstance(inner, dict) and name != "attributes":
            later[name] = inner | {"later": 1}
    assert decoder.decode(as_bytes(later)) == decoder.decode(as_bytes(decoder.document))


@pytest.mark.parametrize("version", [0, 3, "1", None, [1]])
@pytest.mark.parametrize(
    ("kind", "expected"), [("job", "must be 1 or 2"), ("outcome", "the only supported value is 1")]
)
def test_decode_rejects_unknown_versions(kind: str, expected: str, version: object) -> None:
    """A message of another version is rejected, because its fields may have another meaning."""
    error = error_of(kind, as_bytes(DECODERS[kind].document | {"version": version}))
    assert [str(fault) for fault in error.faults] == [f"version: {expected} (got {version!r})"]


@pytest.mark.parametrize("kind", ["job", "outcome"])
def test_one_error_reports_all_faults_of_a_message(kind: str) -> None:
    """One error lists all faults of an unreadable message."""
    error = error_of(kind, b"{}")
    assert {"job_id: missing", "run_id: missing", "crawl: missing", "url: missing"} <= {
        str(fault) for fault in error.faults
    }


def test_error_message_abbreviates_a_long_value() -> None:
    """An error message shows only the beginning of a long value."""
    error = error_of("job", as_bytes(JOB | {"run_id": "!" * 10_000}))
    assert len(str(error)) < 250
    assert "…" in str(error)


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters(), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner),
)


@given(value=VALUES, depth=st.integers(0, MAX_DEPTH + 2))
def test_decode_accepts_exactly_the_supported_values(value: object, depth: int) -> None:
    """A document is accepted if and only if no fault of its values can be named."""
    for _ in range(depth):
        value = [value]
    document = {"value": value}
    text = json.dumps(document, allow_nan=True).replace("NaN", "1e999").replace("Infinity", "1e999")
    has_faults = any(unsupported_values(document))
    with pytest.raises(UnreadableJob) if has_faults else nullcontext():
        parse_json_object(text.encode(), UnreadableJob, max_bytes=MAX_JOB_BYTES, kind="job")
