"""A job template makes the same messages as the jobs themselves."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.faults import UnreadableJob
from contract.job import MAX_JOB_BYTES, Job
from contract.job_id import identify
from contract.job_template import JobMessage, JobTemplate, decode_job
from contract.request import PLAIN_GET, PageRequest
from contract.urls import canonical_url, check_url
from extraction.selectors import JOB_CHECKS
from tests.contract.documents import jobs

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GERMAN = PageRequest.model_validate({"headers": {"Accept-Language": "de"}})
URLS = [
    "https://shop.example/",
    "https://b\u00fccher.example./\u00fc?b=2&a=1",
    'http://[::1]:81/"%22"?q=\u2028',
]


def made(template: JobTemplate, url: str, *, public_only: bool = False) -> JobMessage:
    """Return the message of the job for a URL."""
    canonical = canonical_url(url)
    return template.message(template.job_id(canonical), url, canonical, public_only=public_only)


@given(jobs(), st.sampled_from(URLS).map(check_url), st.sampled_from([PLAIN_GET, GERMAN]), st.booleans())
def test_template_makes_the_message_of_the_job(
    any_job: Job, url: str, request: PageRequest, public_only: bool
) -> None:
    """Data, attributes and ordering key are those of a job with the same id, URL and `public_only`."""
    any_job = any_job.model_copy(update={"request": request})
    job_id = identify(any_job.run_id, url, any_job.recipe, request=any_job.request)
    job = any_job.model_copy(update={"job_id": job_id, "url": url, "public_only": public_only})
    message = made(JobTemplate(any_job, TRACEPARENT), url, public_only=public_only)
    assert message == (job.encode(), job.attributes(TRACEPARENT), job.ordering_key())


def test_job_over_the_maximum_size_is_refused() -> None:
    """A URL that makes the job larger than the maximum is refused; a shorter one is not."""
    field = {"css": "h1", "default": "x" * (MAX_JOB_BYTES - 1000)}
    job = Job.model_validate(
        {
            "job_id": "0" * 32,
            "run_id": "r",
            "crawl": "c",
            "url": URLS[0],
            "recipe": {"name": "book", "fields": {"title": field}},
            "dispatched_at": "2026-11-22T06:00:00Z",
        }
    )
    template = JobTemplate(job, "")
    assert made(template, URLS[0]).data
    with pytest.raises(ValueError, match=f"the maximum is {MAX_JOB_BYTES}"):
        made(template, URLS[0] + "x" * 1000)


def decoded(data: bytes) -> Job | str:
    """Return the job of `Job.decode`, or its faults."""
    try:
        return Job.decode(data, JOB_CHECKS)
    except UnreadableJob as error:
        return str(error)


def decoded_by_template(data: bytes) -> Job | str:
    """Return the job of `decode_job`, or its faults."""
    try:
        return decode_job(data, JOB_CHECKS)
    except UnreadableJob as error:
        return str(error)


@given(jobs(), st.lists(st.sampled_from(URLS).map(check_url), min_size=2, max_size=3))
def test_jobs_of_a_run_are_decoded_alike(template: Job, urls: list[str]) -> None:
    """Jobs that differ in id and URL are decoded as `Job.decode` decodes them, and encoded again alike."""
    for number, url in enumerate(urls):
        job = template.model_copy(update={"job_id": f"{number:032x}", "url": url})
        data = job.encode()
        assert decoded_by_template(data) == decoded(data) == job
        assert decode_job(data).encode() == data


JOB = {
    "version": 1,
    "job_id": "0123456789abcdef" * 2,
    "run_id": "r",
    "crawl": "c",
    "url": "https://shop.example/1",
    "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}},
    "dispatched_at": "2026-11-22T06:00:00Z",
}
DATA = json.dumps(JOB, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"https://shop.example/1", b"ftp://shop.example/1"),
        (b"https://shop.example/1", b"https://shop.example/\\u0031"),
        (b"https://shop.example/1", b"HTTPS://shop.example/1#x"),
        (b"https://shop.example/1", "https://shop.example/\u00fc".encode()),
        (b"https://shop.example/1", b"https://shop.example/\xfc"),
        (b"https://shop.example/1", b"https://shop.example/" + b"x" * 2048),
        (b"https://shop.example/1", b""),
        (b'"}', b'","url":"https://other.example/"}'),
        (b'"}', b'","url":"http://template.invalid/"}'),
        (b'"}', b'","\\u0075rl":"http://template.invalid/"}'),
        (b'"}', b'","job_id":"' + b"0" * 32 + b'"}'),
        (b'"}', b'","url":null}'),
        (b'"}', b'","x":"' + b"x" * MAX_JOB_BYTES + b'"}'),
        (b'"}', b'","not_before":"x"}'),
        (b'"}', b'"'),
        (b'"}', b'"}}'),
        (b"h1", b"h1["),
        (b"h1", b"\xff"),
        (b'"version":1', b'"version":3'),
        (b'"version":1', b'"version":2'),
        (b'"r"', b'"r","url":"https://other.example/"'),
        (b'"r"', b'"\\u0072"'),
        (b'"r"', b'""'),
        (b"0123456789abcdef" * 2, b"0123456789ABCDEF" * 2),
    ],
)
def test_unusual_jobs_are_decoded_alike(old: bytes, new: bytes) -> None:
    """A job that is invalid, has a field twice, or is written differently is decoded as `Job.decode` does."""
    assert decoded_by_template(DATA) == decoded(DATA)
    changed = DATA.replace(old, new)
    assert changed != DATA
    assert decoded_by_template(changed) == decoded(changed)


@given(st.integers(0, len(DATA)), st.integers(0, 3), st.binary(max_size=3))
@example(position=0, size=0, inserted=b"\xef\xbb\xbf")
def test_changed_jobs_are_decoded_alike(position: int, size: int, inserted: bytes) -> None:
    """A job with changed bytes is decoded as by `Job.decode`, with the same faults if it is invalid."""
    changed = DATA[:position] + inserted + DATA[position + size :]
    assert decoded_by_template(changed) == decoded(changed)
