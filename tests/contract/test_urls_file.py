"""Tests which addresses and formats of files with URLs are accepted."""

import pytest
from pydantic import ValidationError

from contract.urls_file import UrlsFile


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/urls.txt", "text"),
        ("https://a.example/urls.csv?x=1", "csv"),
        ("https://a.example/urls.CSV.gz", "csv"),
        ("https://a.example/export?name=urls.csv", "text"),
        ("gs://bucket/a/urls.jsonl", "jsonl"),
        ("gs://bucket/urls.ndjson.gz", "jsonl"),
        ("urls/today.csv", "csv"),
        ("/data/urls", "text"),
    ],
)
def test_format_is_that_of_the_name(url: str, expected: str) -> None:
    """The extension of the file decides the format, unless the crawl gives one."""
    assert UrlsFile(url=url).chosen_format == expected
    assert UrlsFile.model_validate({"url": url, "format": "csv"}).chosen_format == "csv"


def test_place_of_a_file_is_known_by_its_address() -> None:
    """A `gs://` address has a bucket and an object, and what has no scheme is a path."""
    assert UrlsFile(url="gs://my-bucket/a b/c.txt").bucket_object == ("my-bucket", "a b/c.txt")
    assert UrlsFile(url="c.txt").is_local
    assert not UrlsFile(url="https://a.example/").is_local


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"url": ""}, "must be an http or https URL, gs://bucket/object, or a path"),
        ({"url": "ftp://a.example/urls"}, "must be an http or https URL, gs://bucket/object, or a path"),
        ({"url": "gs://bucket"}, "must be gs://bucket/object"),
        ({"url": "gs://Bucket/urls"}, "must be gs://bucket/object"),
        ({"url": "http://me:pw@a.example/"}, "a URL with a user or password is refused"),
        ({"url": "u.txt", "format": "xml"}, "Input should be 'text', 'csv' or 'jsonl'"),
        ({"url": "u.txt", "field": 2}, "only a CSV file has columns with numbers"),
        ({"url": "u.csv", "field": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_file_is_refused(document: dict[str, object], why: str) -> None:
    """An address that cannot be read, or a field that the format does not have, is refused."""
    with pytest.raises(ValidationError, match=why):
        UrlsFile.model_validate(document)
