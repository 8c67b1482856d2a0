"""A job template makes the same messages as the jobs themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.job import MAX_JOB_BYTES, Job
from contract.job_id import identify
from contract.job_template import JobMessage, JobTemplate
from contract.request import PLAIN_GET, PageRequest
from contract.urls import canonical_url, check_url
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
    example: Job, url: str, request: PageRequest, public_only: bool
) -> None:
    """Data, attributes and ordering key are those of a job with the same id, URL and `public_only`."""
    example = example.model_copy(update={"request": request})
    job_id = identify(example.run_id, url, example.recipe, request=example.request)
    job = example.model_copy(update={"job_id": job_id, "url": url, "public_only": public_only})
    message = made(JobTemplate(example, TRACEPARENT), url, public_only=public_only)
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
