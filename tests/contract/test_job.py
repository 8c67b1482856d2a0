"""Tests of jobs: encoding, decoding, attributes and ordering keys, and their maximum sizes."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.faults import UnreadableJob
from contract.job import MAX_JOB_BYTES, Job, JobAttributes, requeued, url_digest
from contract.job_id import identify
from extraction.selectors import CHECKS
from tests.contract.documents import JOB, as_bytes, changed, jobs, texts, times

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(job=jobs())
def test_encoded_job_is_decoded_unchanged(job: Job) -> None:
    """A decoded job equals the job that was encoded, and encoding it again gives the same bytes."""
    assert Job.decode(job.encode()) == job
    assert Job.decode(job.encode()).encode() == job.encode()


@given(job=jobs())
def test_encoded_job_leaves_out_recipe_defaults(job: Job) -> None:
    """The recipe in an encoded job contains no key that has its default value."""
    assert json.loads(job.encode())["recipe"] == job.recipe.to_json_dict()


def test_documented_job_is_decoded() -> None:
    """A job as the documentation shows it is decoded."""
    job = Job.decode(
        b'{"version": 1, "job_id": "00112233445566778899aabbccddeeff", "run_id": "books-1",'
        b' "crawl": "books", "url": "https://books.example/1", "recipe": {"name": "book", "fields":'
        b' {"title": {"css": "h1::text"}}}, "politeness": {"delay_seconds": 0.5, "respect_robots": true},'
        b' "dispatched_at": "2026-11-22T06:00:03.120Z"}'
    )
    assert job.dispatched_at == datetime(2026, 11, 22, 6, 0, 3, 120_000, tzinfo=UTC)
    assert job.recipe.fields["title"].css == "h1::text"
    assert job.politeness.delay_seconds == 0.5


def padded(size: int) -> Job:
    """Return a job of `size` bytes, most of them in its recipe."""
    empty = Job.model_validate(changed(JOB, "recipe.fields.title.default", "x"))
    return Job.model_validate(
        changed(JOB, "recipe.fields.title.default", "x" * (size - len(empty.encode()) + 1))
    )


def test_job_is_encoded_up_to_max_bytes() -> None:
    """A job of MAX_JOB_BYTES is encoded and decoded; encoding a larger job raises ValueError."""
    data = padded(MAX_JOB_BYTES).encode()
    assert len(data) == MAX_JOB_BYTES
    assert Job.decode(data).encode() == data
    with pytest.raises(ValueError, match=f"{MAX_JOB_BYTES + 1} bytes; the maximum is {MAX_JOB_BYTES}"):
        padded(MAX_JOB_BYTES + 1).encode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("job_id", "0123", "job_id: String should match"),
        ("job_id", "0123456789ABCDEF0123456789ABCDEF", "job_id: String should match"),
        ("run_id", "", "run_id: String should match"),
        ("run_id", "-books", "run_id: String should match"),
        ("run_id", "books\n", "run_id: String should match"),
        ("run_id", "x" * 129, "run_id: String should match"),
        ("crawl", "Books", "crawl: String should match"),
        ("crawl", "x" * 64, "crawl: String should match"),
        ("url", "file:///etc/passwd", "url: the scheme must be http or https, not 'file'"),
        ("url", 7, "url: Input should be a valid string"),
        ("recipe", [], "recipe: must be an object (got [])"),
        ("recipe.fields", {}, "recipe.fields: Dictionary should have at least 1 item"),
        ("politeness.delay_seconds", -1, "politeness.delay_seconds: Input should be greater than or equal"),
        ("politeness.delay_seconds", 60.1, "politeness.delay_seconds: Input should be less than or equal"),
        ("politeness.delay_seconds", 10**400, "politeness.delay_seconds: Input should be a valid number"),
        ("politeness.per_host", 0, "politeness.per_host: Input should be greater than or equal to 1"),
        ("politeness.per_host", 101, "politeness.per_host: Input should be less than or equal to 100"),
        ("not_before", "2026-11-22T06:00:00", "not_before: Input should have timezone info"),
        ("defers", -1, "defers: Input should be greater than or equal to 0"),
        ("defers", 1001, "defers: Input should be less than or equal to 1000"),
        ("dispatched_at", "yesterday", "dispatched_at: Input should be a valid datetime"),
        ("dispatched_at", "2026-11-22T06:00:00", "dispatched_at: Input should have timezone info"),
        ("dispatched_at", 1e308, "dispatched_at: Input should be a valid datetime"),
    ],
)
def test_job_fault_has_path_and_message(path: str, value: object, message: str) -> None:
    """The error for an invalid job gives the path of the fault and a message."""
    with pytest.raises(UnreadableJob) as caught:
        Job.decode(as_bytes(changed(JOB, path, value)))
    assert message in str(caught.value)
    assert [fault.path for fault in caught.value.faults] == [path]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"css": "["}, "recipe.fields.title.css: not a CSS selector"),
        ({"xpath": "//["}, "recipe.fields.title.xpath: not an XPath expression"),
        ({"jmespath": "a["}, "recipe.fields.title.jmespath: not a JMESPath expression"),
        ({"css": "a", "re": "("}, "recipe.fields.title.re: not a regular expression"),
    ],
)
def test_job_with_a_selector_that_does_not_compile_is_unreadable(field: dict[str, str], message: str) -> None:
    """A job with an invalid selector is rejected if the selectors are checked, and decoded otherwise."""
    data = as_bytes(changed(JOB, "recipe.fields.title", field))
    with pytest.raises(UnreadableJob) as caught:
        Job.decode(data, CHECKS)
    assert message in str(caught.value)
    assert Job.decode(data).recipe.fields["title"] is not None


def test_jobs_of_a_run_share_their_recipe() -> None:
    """The recipe of two jobs is validated once if its JSON is the same; another recipe stays another one."""
    one = Job.decode(as_bytes(JOB), CHECKS)
    other = Job.decode(as_bytes(changed(JOB, "url", "https://other.example/")), CHECKS)
    renamed = Job.decode(as_bytes(changed(JOB, "recipe.name", "renamed")), CHECKS)
    assert one.recipe is other.recipe
    assert renamed.recipe.name == "renamed"


def test_a_shared_recipe_is_checked_for_each_caller() -> None:
    """A recipe that one caller has read without checking its selectors is refused for one that checks."""
    data = as_bytes(changed(JOB, "recipe.fields", {"a": {"css": "a[["}}))
    assert Job.decode(data).recipe.fields["a"].css == "a[["
    with pytest.raises(UnreadableJob, match="not a CSS selector"):
        Job.decode(data, CHECKS)


@given(job=jobs())
def test_job_attributes_fit_pubsub(job: Job) -> None:
    """The attributes of a job are within the limits on Pub/Sub's quotas page.

    Keys have at most 256 bytes and do not start with goog. Values have at most 1,024 bytes.
    """
    attributes = job.attributes(TRACEPARENT)
    assert all(not key.startswith("goog") and len(key.encode()) <= 256 for key in attributes)
    assert all(len(value.encode()) <= 1024 for value in attributes.values())


@given(job=jobs())
def test_job_attributes_identify_the_job(job: Job) -> None:
    """The attributes contain the job's id, run, crawl, host and traceparent."""
    read = JobAttributes.read(job.attributes(TRACEPARENT))
    assert (read.job_id, read.run_id, read.crawl) == (job.job_id, job.run_id, job.crawl)
    assert f"//{read.host}/" in job.url
    assert read.traceparent == TRACEPARENT


@given(
    attributes=st.dictionaries(
        st.sampled_from(sorted(JobAttributes.model_fields)) | st.text(), st.text(max_size=300), max_size=8
    )
)
def test_job_attributes_read_never_raises(attributes: dict[str, str]) -> None:
    """Reading arbitrary attributes raises no exception: they must not make a job with a valid body fail."""
    JobAttributes.read(attributes)


@given(host=texts)
def test_invalid_attribute_keeps_the_valid_ones(host: str) -> None:
    """Invalid attributes are read as empty, and valid attributes of the same message are kept."""
    read = JobAttributes.read(
        {"run_id": "\ud800", "job_id": JOB["job_id"], "host": host, "crawl": "no crawl"}
    )
    assert (read.job_id, read.run_id, read.crawl, read.host) == (JOB["job_id"], "", "", host)


@given(job=jobs(), not_before=times, defers=st.integers(0, 1000), attempts=st.integers(0, 100))
def test_requeued_job_keeps_its_id_and_content(
    job: Job, not_before: datetime, defers: int, attempts: int
) -> None:
    """A requeued job differs only in not_before (rounded up to milliseconds), defers and attempts."""
    again = Job.decode(requeued(job.encode(), not_before=not_before, defers=defers, attempts=attempts))
    same = {"not_before": job.not_before, "defers": job.defers, "attempts": job.attempts}
    assert again.model_copy(update=same) == job
    assert (again.defers, again.attempts) == (defers, attempts)
    assert again.not_before is not None
    assert timedelta(0) <= again.not_before - not_before < timedelta(milliseconds=1)
    assert again.job_id == identify(job.run_id, job.url, job.recipe)


def test_requeued_job_keeps_unknown_fields() -> None:
    """A requeued job keeps the unknown fields of the original job, and its not_before is written in UTC."""
    until = datetime(2026, 11, 22, 7, 0, tzinfo=timezone(timedelta(hours=1)))
    data = as_bytes(JOB | {"shape": "\u00e4"})
    again = json.loads(requeued(data, not_before=until, defers=2, attempts=1))
    added = {"not_before": "2026-11-22T06:00:00.000Z", "defers": 2, "attempts": 1}
    assert again == JOB | {"shape": "ä"} | added
    # And a job that need not wait has no not_before
    assert json.loads(requeued(data, not_before=None, defers=2, attempts=0)) == JOB | {
        "shape": "ä",
        "defers": 2,
    }


def test_new_job_encodes_no_fields_of_later_messages() -> None:
    """An encoded job that was never requeued and is no further page has none of the fields of these."""
    later = {"not_before", "defers", "attempts", "page", "listing", "visited", "public_only"}
    assert later.isdisjoint(json.loads(Job.model_validate(JOB).encode()))


@given(job=jobs())
def test_ordering_keys_of_a_host_are_at_most_per_host(job: Job) -> None:
    """A job has a key if its crawl sets per_host or delay_seconds, and a host has at most per_host keys."""
    politeness = job.politeness
    if politeness.per_host is None and not politeness.delay_seconds:
        assert job.ordering_key() == ""
        return
    host, _, number = job.ordering_key().rpartition("#")
    assert f"//{host}/" in job.url
    assert 0 <= int(number) == job.lane < (politeness.per_host or 1)
    assert len(job.ordering_key().encode()) <= 1024  # Pub/Sub's quotas page


@given(job=jobs())
def test_next_page_is_a_job_of_the_same_listing(job: Job) -> None:
    """The job of a next page has the next number, a new id, the first page's id as listing, and a key."""
    second = job.next_page("https://books.example/list?page=2")
    third = second.next_page("https://books.example/list?page=3")
    assert (second.page, third.page) == (2, 3)
    assert second.listing == third.listing == job.job_id
    assert len({job.job_id, second.job_id, third.job_id}) == 3
    assert third.visited == (url_digest(job.url), url_digest(second.url))
    assert Job.decode(third.encode()) == third
    assert third.ordering_key() == (third.ordering_key() if job.politeness.lanes else f"list#{job.job_id}")
    # And the same page of another listing is another job
    other = job.model_copy(update={"job_id": "0" * 32}).next_page("https://books.example/list?page=2")
    assert other.job_id != second.job_id


def ordering_key(url: str, per_host: int) -> str:
    """Return the ordering key of a page."""
    return Job.model_validate(JOB | {"url": url, "politeness": {"per_host": per_host}}).ordering_key()


def test_equivalent_urls_have_the_same_ordering_key() -> None:
    """All keys of a host are used, and equivalent URLs have one key. Ports and a trailing dot are ignored."""
    pages = {ordering_key(f"https://books.example/{n}", 3) for n in range(60)}
    assert pages == {"books.example#0", "books.example#1", "books.example#2"}
    assert ordering_key("https://books.example/?b=1&a=2", 100) == ordering_key(
        "https://BOOKS.example:443/?a=2&b=1#x", 100
    )
    assert {ordering_key("http://books.example:8080/", 1), ordering_key("https://books.example./1", 1)} == {
        "books.example#0"
    }
