"""Defines the source `urls_file`: a file with a URL in each line, or in each row or object."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contract.urls import check_url

#: A bucket and an object of Cloud Storage: https://cloud.google.com/storage/docs/buckets#naming and
#: https://cloud.google.com/storage/docs/objects#naming
_OBJECT = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^\r\n]{1,1024})")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


class UrlsFileFormat(StrEnum):
    """The format of a file with URLs."""

    TEXT = "text"  #: a URL in each line; empty lines, and lines that begin with #, are left out
    CSV = "csv"  #: comma-separated values (RFC 4180)
    JSONL = "jsonl"  #: a JSON object in each line


def check_file_url(url: str) -> str:
    """Return the address of a file: an http or https URL, `gs://bucket/object`, or a local path.

    Raises:
        ValueError: if it is none of them.
    """
    url = url.strip()
    scheme = _SCHEME.match(url)
    if scheme is None:
        if not url or "\0" in url:
            raise ValueError("must be an http or https URL, gs://bucket/object, or a path")
        return url
    if scheme[1].lower() == "gs":
        if not _OBJECT.fullmatch(url):
            raise ValueError("must be gs://bucket/object, with the names of a bucket and an object")
        return url
    if scheme[1].lower() not in {"http", "https"}:
        raise ValueError("must be an http or https URL, gs://bucket/object, or a path")
    return check_url(url)


class UrlsFile(BaseModel):
    """A file with URLs."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    url: Annotated[str, AfterValidator(check_file_url)]
    """Address of the file: an http or https URL, `gs://bucket/object`, or a path that only `scrapeq dispatch`
    reads. The file may be gzipped."""
    format: UrlsFileFormat | None = None
    """`text`: a URL in each line; `csv`: a column has the URLs; `jsonl`: each line is a JSON object. Default:
    by the name of the file, and `text` for other names than `.csv`, `.jsonl` and `.ndjson`."""
    field: Annotated[str, StringConstraints(min_length=1, max_length=200)] | Annotated[int, Field(ge=1)] = (
        "url"
    )
    """What has the URL: for `csv` the name of a column, or its number from 1 if the file has no header; for
    `jsonl` the name of a field, with dots for objects in objects."""

    @model_validator(mode="after")
    def _check_field(self) -> Self:
        if isinstance(self.field, int) and self.chosen_format is not UrlsFileFormat.CSV:
            raise ValueError("field is a number, but only a CSV file has columns with numbers")
        return self

    @property
    def chosen_format(self) -> UrlsFileFormat:
        """The format, which the name of the file decides if none is given."""
        if self.format is not None:
            return self.format
        path = self.url.lower() if self.is_local or self.bucket_object else self.url.lower().partition("?")[0]
        name = path.removesuffix(".gz")
        if name.endswith(".csv"):
            return UrlsFileFormat.CSV
        return UrlsFileFormat.JSONL if name.endswith((".jsonl", ".ndjson")) else UrlsFileFormat.TEXT

    @property
    def is_local(self) -> bool:
        """Whether the address is a path."""
        return _SCHEME.match(self.url) is None

    @property
    def bucket_object(self) -> tuple[str, str] | None:
        """The names of the bucket and the object in Cloud Storage; None if the file is elsewhere."""
        match = _OBJECT.fullmatch(self.url)
        return (match[1], match[2]) if match else None
