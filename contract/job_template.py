"""Makes and reads the messages of jobs that differ only in their URLs, faster than `Job` does. Pure."""

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from contract.job import MAX_JOB_BYTES, Job, lane_of
from contract.job_id import identify_page, identity_of
from contract.selectors import SelectorChecks
from contract.urls import check_url, host_of

_ID = "0" * 32
_URL = "http://template.invalid/"
#: An encoded job: what is before its id, the id, what is between it and the URL, the URL, and what follows.
#: The URL has no characters that JSON escapes.
_JOB = re.compile(
    rb'(\{"version":[12],"job_id":")([0-9a-f]{32})'
    rb'(","run_id":"[^"\\]*","crawl":"[^"\\]*","url":")([!#-\[\]-~]+)(".*)',
    re.DOTALL,
)


class JobMessage(NamedTuple):
    """The message of a job.

    Attributes:
        data: what `Job.encode` returns.
        attributes: what `Job.attributes` returns.
        ordering_key: what `Job.ordering_key` returns.
    """

    data: bytes
    attributes: dict[str, str]
    ordering_key: str


def decode_job(data: bytes, selectors: SelectorChecks | None = None) -> Job:
    """Return what `Job.decode` returns, in a third of the time if a job of the same run was decoded before.

    The jobs of a run differ only in their ids and URLs, so only these are read. The other values of the job
    are shared by several jobs, and must not be changed.

    Raises:
        UnreadableJob: as `Job.decode` does.
    """
    parts = _JOB.fullmatch(data) if len(data) <= MAX_JOB_BYTES else None
    if parts is not None:
        head, job_id, middle, url, tail = parts.groups()
        with suppress(ValueError):  # `Job.decode` lists all faults
            template = _decode_template(head, middle, tail, selectors)
            if template is not None:
                changes = {"job_id": job_id.decode(), "url": check_url(url.decode())}
                return template.model_copy(update=changes)
    return Job.decode(data, selectors)


@lru_cache(maxsize=16)  # at most 1 MiB of messages
def _decode_template(head: bytes, middle: bytes, tail: bytes, selectors: SelectorChecks | None) -> Job | None:
    """Return the job with `_ID` and `_URL`; None if it has a field twice, of which JSON parsers use the last.

    Raises:
        UnreadableJob: if a job with these parts cannot be read.
    """
    data = b"".join((head, _ID.encode(), middle, _URL.encode(), tail))
    job = Job.decode(data, selectors)
    names = [name for name, _ in json.loads(data, object_pairs_hook=list)]
    return job if len(set(names)) == len(names) else None


class JobTemplate:
    """Makes the messages of the first pages of one run.

    Args:
        job: any job of the run that is no further page of a listing; its id and URL do not matter.
        traceparent: the W3C traceparent of the dispatch.
        request_id: the attribute that names the request of the dispatcher; `""` for no attribute.

    Raises:
        ValueError: if every job would have more than 64 KiB.
    """

    def __init__(self, job: Job, traceparent: str, request_id: str = "") -> None:
        changes = {"job_id": _ID, "url": _URL}
        self._job = job
        self._identity = identity_of(job.recipe, request=job.request)
        self._attributes = job.model_copy(update=changes).attributes(traceparent)
        if request_id:
            self._attributes["request_id"] = request_id
        self._parts = {
            public_only: _split(job.model_copy(update={**changes, "public_only": public_only}).encode())
            for public_only in (False, True)
        }

    def job_id(self, canonical: str) -> str:
        """Return the id of the job for a page, by its canonical URL."""
        return identify_page(self._job.run_id, canonical, self._identity)

    def message(self, job_id: str, url: str, canonical: str, *, public_only: bool) -> JobMessage:
        """Return the message of a job.

        Args:
            job_id: the result of `job_id`.
            url: the page's URL as `check_url` returns it.
            canonical: the result of `canonical_url` for the URL.
            public_only: `Job.public_only`.

        Raises:
            ValueError: if the job has more than 64 KiB.
        """
        head, middle, tail = self._parts[public_only]
        quoted = json.dumps(url, ensure_ascii=False)[1:-1]
        data = b"".join((head, job_id.encode(), middle, quoted.encode(), tail))
        if len(data) > MAX_JOB_BYTES:
            raise ValueError(f"the job has {len(data)} bytes; the maximum is {MAX_JOB_BYTES}")
        host, politeness = host_of(url), self._job.politeness
        key = f"{host.rstrip('.')}#{lane_of(canonical, politeness)}" if politeness.lanes else ""
        return JobMessage(data, {**self._attributes, "job_id": job_id, "host": host}, key)


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the parts of an encoded job before its id, between its id and its URL, and after its URL."""
    # All fields before these two have values in which no quotation mark can occur.
    head, _, rest = data.partition(f'"{_ID}"'.encode())
    middle, _, tail = rest.partition(f'"{_URL}"'.encode())
    return head + b'"', b'"' + middle + b'"', b'"' + tail
