"""Decoders of bytes from outside return a value, or raise their own exception, which keeps the bytes."""

from collections.abc import Callable
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
)
from contract.job import MAX_JOB_BYTES, Job, identify
from contract.outcome_record import MAX_OUTCOME_BYTES, OutcomeRecord
from extraction.selectors import CHECKS
from push_endpoint.envelope import MAX_ENVELOPE_BYTES, Envelope
from tests.contract.documents import CRAWL, JOB, OUTCOME, PUSH, as_bytes, mangled


class Decoder(NamedTuple):
    """A decoder under test.

    Attributes:
        decode: decodes bytes.
        error: the exception that it raises.
        document: a valid document.
        max_bytes: largest document that it accepts.
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
every_decoder = pytest.mark.parametrize("what", DECODERS)


def rejection(what: str, body: bytes) -> Undecodable:
    """Return the exception with which a decoder rejects `body`."""
    decoder = DECODERS[what]
    with pytest.raises(decoder.error) as caught:
        decoder.decode(body)
    return caught.value


def decode_or_reject(what: str, body: bytes) -> object | None:
    """Return the decoded `body`; if it is rejected, check the exception and return None."""
    decoder = DECODERS[what]
    try:
        return decoder.decode(body)
    except decoder.error as error:
        rejected = error
    assert rejected.raw == body
    assert rejected.faults
    assert str(rejected).encode(), "the message can be sent and logged"
    return None


@every_decoder
@given(body=st.binary(max_size=200))
def test_decode_of_arbitrary_bytes_raises_only_its_own_error(what: str, body: bytes) -> None:
    """No byte sequence crashes a decoder, and the exception keeps the bytes."""
    decode_or_reject(what, body)


@every_decoder
@given(data=st.data())
def test_decode_of_damaged_document_raises_only_its_own_error(what: str, data: st.DataObject) -> None:
    """A valid document with one value replaced is decoded, or rejected with its bytes kept."""
    decode_or_reject(what, data.draw(mangled(DECODERS[what].document)))


@every_decoder
@given(data=st.data())
def test_decode_of_truncated_document_is_rejected(what: str, data: st.DataObject) -> None:
    """A truncated document is never decoded as a shorter one."""
    body = as_bytes(DECODERS[what].document)
    at = data.draw(st.integers(0, len(body) - 1))
    assert decode_or_reject(what, body[:at]) is None


@given(body=mangled(JOB))
def test_decoded_job_can_be_encoded_again(body: bytes) -> None:
    """A replay encodes decoded jobs, so a job that cannot be encoded must be rejected when decoded."""
    job = decode_or_reject("job", body)
    if isinstance(job, Job):
        assert Job.decode(job.encode()) == job
        assert identify(job.run_id, job.url, job.recipe)


@given(body=mangled(CRAWL))
def test_decoded_crawl_has_a_recipe_that_jobs_can_carry(body: bytes) -> None:
    """What would crash the dispatcher for each job is rejected once, when the crawl is decoded."""
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
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
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
        (b'{"a": ' + b"9" * 5000 + b"}", "the {} is not supported JSON"),
        (b"[" * 20_000, "the {} is nested too deeply"),
        (b'{"a":' * 20_000, "{}"),
    ],
)
@every_decoder
def test_decode_rejects_what_is_not_a_json_object_in_utf_8(what: str, body: bytes, message: str) -> None:
    """RFC 8259: UTF-8, no NaN, no lone surrogates; and one object."""
    error = rejection(what, body)
    assert message.format(what) in str(error)
    assert error.raw == body


@every_decoder
def test_decode_ignores_a_byte_order_mark(what: str) -> None:
    """RFC 8259 section 8.1 allows a parser to ignore it; editors on Windows write it."""
    decoder = DECODERS[what]
    body = as_bytes(decoder.document)
    assert decoder.decode(b"\xef\xbb\xbf" + body) == decoder.decode(body)


@pytest.mark.parametrize("what", ["job", "push", "outcome"])
def test_decode_accepts_nesting_up_to_max_depth(what: str) -> None:
    """A document that is nested deeper would fail later, when it is encoded again."""
    document = DECODERS[what].document
    inner: object = 0
    for _ in range(MAX_DEPTH - 1):
        inner = [inner]
    assert DECODERS[what].decode(as_bytes(document | {"later": inner}))
    assert "nested too deeply" in str(rejection(what, as_bytes(document | {"later": [inner]})))


@every_decoder
def test_decode_accepts_documents_up_to_max_bytes(what: str) -> None:
    """The bound itself is accepted; the message names both numbers."""
    decoder = DECODERS[what]
    exact = as_bytes(decoder.document).ljust(decoder.max_bytes)
    assert decoder.decode(exact)
    error = rejection(what, exact + b" ")
    assert f"has {decoder.max_bytes + 1} bytes; at most {decoder.max_bytes} are read" in str(error)


@every_decoder
def test_decode_rejects_eleven_megabytes_without_parsing(what: str) -> None:
    """A document larger than any Pub/Sub message is rejected by its size, whatever it contains."""
    assert "at most" in str(rejection(what, b"\xff" * 11_000_000))


@pytest.mark.parametrize("what", ["job", "push", "outcome"])
def test_decode_ignores_unknown_fields_of_messages(what: str) -> None:
    """A later version may add fields; this version still reads those it knows."""
    decoder = DECODERS[what]
    later = decoder.document | {"later": {"a": [1]}}
    for name, inner in decoder.document.items():
        if isinstance(inner, dict) and name != "attributes":
            later[name] = inner | {"later": 1}
    assert decoder.decode(as_bytes(later)) == decoder.decode(as_bytes(decoder.document))


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
@pytest.mark.parametrize("what", ["job", "outcome"])
def test_decode_rejects_unknown_versions(what: str, version: object) -> None:
    """What another version means by its fields is not guessed."""
    error = rejection(what, as_bytes(DECODERS[what].document | {"version": version}))
    assert [str(fault) for fault in error.faults] == [f"version: only 1 is read here (got {version!r})"]


@pytest.mark.parametrize("what", ["job", "outcome"])
def test_all_faults_of_a_message_are_reported_at_once(what: str) -> None:
    """An operator sees everything that is wrong with an unreadable message at once."""
    error = rejection(what, b"{}")
    assert {"job_id: missing", "run_id: missing", "crawl: missing", "url: missing"} <= {
        str(fault) for fault in error.faults
    }


def test_error_message_abbreviates_a_long_value() -> None:
    """An error message stays readable, whatever the value."""
    error = rejection("job", as_bytes(JOB | {"run_id": "!" * 10_000}))
    assert len(str(error)) < 250
    assert "…" in str(error)
