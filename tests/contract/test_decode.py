"""Whatever bytes come from outside, a decoder returns a value or its own error, which keeps the bytes."""

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
    """A way in: how it is read, what it raises, a document it takes, and how many bytes at most."""

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


def refusal(what: str, body: bytes) -> Undecodable:
    """Return the error by which a decoder refuses `body`."""
    decoder = DECODERS[what]
    with pytest.raises(decoder.error) as caught:
        decoder.decode(body)
    return caught.value


def read_or_refuse(what: str, body: bytes) -> object | None:
    """Decode `body`; hold a refusal to its promises and return None for it."""
    decoder = DECODERS[what]
    try:
        return decoder.decode(body)
    except decoder.error as wrong:
        refused = wrong
    assert refused.raw == body
    assert refused.faults
    assert str(refused).encode(), "the sentence can be sent and logged"
    return None


@every_decoder
@given(body=st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_the_own_error(what: str, body: bytes) -> None:
    """No byte sequence crashes a decoder, and none is lost."""
    read_or_refuse(what, body)


@every_decoder
@given(data=st.data())
def test_a_damaged_document_raises_nothing_but_the_own_error(what: str, data: st.DataObject) -> None:
    """A valid document with one value replaced by anything is read, or refused with the bytes kept."""
    read_or_refuse(what, data.draw(mangled(DECODERS[what].document)))


@every_decoder
@given(data=st.data())
def test_a_cut_document_is_refused(what: str, data: st.DataObject) -> None:
    """Half a document is not half a job."""
    body = as_bytes(DECODERS[what].document)
    at = data.draw(st.integers(0, len(body) - 1))
    assert read_or_refuse(what, body[:at]) is None


@given(body=mangled(JOB))
def test_a_job_that_can_be_read_can_be_sent_again(body: bytes) -> None:
    """A replay encodes and identifies whatever was decoded: what cannot be sent is refused on reading."""
    job = read_or_refuse("job", body)
    if isinstance(job, Job):
        assert Job.decode(job.encode()) == job
        assert identify(job.run_id, job.url, job.recipe)


@given(body=mangled(CRAWL))
def test_a_crawl_that_can_be_read_has_a_recipe_that_can_be_sent(body: bytes) -> None:
    """What would crash the dispatcher job by job is refused once, when the crawl comes in."""
    crawl = read_or_refuse("crawl", body)
    if isinstance(crawl, Crawl):
        job = Job.model_validate(JOB | {"recipe": crawl.recipe, "politeness": crawl.politeness})
        assert Job.decode(job.encode()) == job


@pytest.mark.parametrize(
    ("body", "sentence"),
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
def test_what_is_no_json_object_in_utf_8_is_refused_in_a_sentence(
    what: str, body: bytes, sentence: str
) -> None:
    """RFC 8259: UTF-8, no NaN, no lone surrogates; and one object."""
    wrong = refusal(what, body)
    assert sentence.format(what) in str(wrong)
    assert wrong.raw == body


@every_decoder
def test_a_byte_order_mark_is_ignored(what: str) -> None:
    """RFC 8259 section 8.1 lets a parser ignore it; editors on Windows write it."""
    decoder = DECODERS[what]
    body = as_bytes(decoder.document)
    assert decoder.decode(b"\xef\xbb\xbf" + body) == decoder.decode(body)


@pytest.mark.parametrize("what", ["job", "push", "outcome"])
def test_nesting_is_read_to_the_bound_and_refused_past_it(what: str) -> None:
    """What is nested past the bound would only fail later, where it is encoded again."""
    document = DECODERS[what].document
    inner: object = 0
    for _ in range(MAX_DEPTH - 1):
        inner = [inner]
    assert DECODERS[what].decode(as_bytes(document | {"later": inner}))
    assert "nested too deeply" in str(refusal(what, as_bytes(document | {"later": [inner]})))


@every_decoder
def test_a_document_is_read_up_to_its_bound_and_refused_one_byte_over(what: str) -> None:
    """The bound itself is still allowed; the sentence names both numbers."""
    decoder = DECODERS[what]
    exact = as_bytes(decoder.document).ljust(decoder.max_bytes)
    assert decoder.decode(exact)
    wrong = refusal(what, exact + b" ")
    assert f"has {decoder.max_bytes + 1} bytes; at most {decoder.max_bytes} are read" in str(wrong)


@every_decoder
def test_eleven_megabytes_are_refused_unread(what: str) -> None:
    """More than any message Pub/Sub carries is refused by its size, whatever is in it."""
    assert "at most" in str(refusal(what, b"\xff" * 11_000_000))


@pytest.mark.parametrize("what", ["job", "push", "outcome"])
def test_unknown_fields_of_messages_are_ignored(what: str) -> None:
    """A later version may add fields; what this version knows is still read."""
    decoder = DECODERS[what]
    later = decoder.document | {"later": {"a": [1]}}
    for name, inner in decoder.document.items():
        if isinstance(inner, dict) and name != "attributes":
            later[name] = inner | {"later": 1}
    assert decoder.decode(as_bytes(later)) == decoder.decode(as_bytes(decoder.document))


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
@pytest.mark.parametrize("what", ["job", "outcome"])
def test_unknown_versions_are_refused(what: str, version: object) -> None:
    """What another version means by its fields is not guessed."""
    wrong = refusal(what, as_bytes(DECODERS[what].document | {"version": version}))
    assert [str(fault) for fault in wrong.faults] == [f"version: only 1 is read here (got {version!r})"]


@pytest.mark.parametrize("what", ["job", "outcome"])
def test_every_fault_of_a_message_is_reported(what: str) -> None:
    """Whoever looks at a message that cannot be read sees all that is wrong with it at once."""
    wrong = refusal(what, b"{}")
    assert {"job_id: missing", "run_id: missing", "crawl: missing", "url: missing"} <= {
        str(fault) for fault in wrong.faults
    }


def test_a_long_value_is_shown_shortened() -> None:
    """An error message stays readable, whatever the value."""
    wrong = refusal("job", as_bytes(JOB | {"run_id": "!" * 10_000}))
    assert len(str(wrong)) < 250
    assert "…" in str(wrong)
