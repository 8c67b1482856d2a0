"""Files with URLs are read from web sites and from Cloud Storage, as streams, and within limits."""

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dispatcher.sources.cloud_storage import CloudStorage
from dispatcher.sources.source import Found, FoundUrl, InvalidEntry, SourceUnavailable, SourceUnreadable
from tests.dispatcher.sitemaps.examples import SourceReader, make_reader
from tests.servers.cloud_storage import StorageServer, running_storage
from tests.servers.public_address import PUBLIC_ADDRESS, count_as_public
from tests.servers.site import PendingRequest, Response, Site, http, redirect, running_site

URLS = ["https://shop.example/1", "https://shop.example/2"]
TEXT = "\n".join(URLS).encode()


def found_in(url: str, reader: SourceReader | None = None, **file: object) -> list[Found]:
    """Return what a file yields."""
    return list((reader or make_reader()).found({"urls_file": {"url": url, **file}}))


def found(*urls: str, public_only: bool = False) -> list[FoundUrl]:
    """Return what a text file of these URLs yields."""
    return [FoundUrl(url, "", public_only, f"line {number}") for number, url in enumerate(urls, 1)]


@pytest.fixture
def storage() -> Iterator[StorageServer]:
    """A server of Cloud Storage."""
    with running_storage() as storage:
        yield storage


def storage_reader(storage: StorageServer) -> SourceReader:
    """Return a reader that reads objects of this server."""
    reader = make_reader()
    return SourceReader(replace(reader.opener, open_object=CloudStorage(storage.url).open))


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/urls.txt", TEXT, ()),
        ("/urls", b"\xef\xbb\xbf" + TEXT, ()),
        ("/urls.txt.gz", gzip.compress(TEXT), ()),
        ("/urls.txt", gzip.compress(TEXT), ()),
        ("/urls.txt", gzip.compress(TEXT), ("Content-Encoding: gzip",)),
        ("/urls.txt.gz", gzip.compress(gzip.compress(TEXT)), ("Content-Encoding: gzip",)),
    ],
    ids=["plain", "bom", "gzip", "gzip by another name", "coded", "coded gzip"],
)
def test_file_of_a_site_is_read(site: Site, path: str, body: bytes, headers: tuple[str, ...]) -> None:
    """A text file is read, whether it is gzipped as a file or for the transfer."""
    assert found_in(site.add(path, http(200, body, *headers))) == found(*URLS)


def test_csv_and_jsonl_are_read_with_their_field(site: Site) -> None:
    """The format is that of the extension, and invalid lines are reported with their numbers."""
    rows = f'id;name,link\n1,{URLS[0]}\n2\n"a",{URLS[1]}\n'.encode()
    assert found_in(site.add("/urls.csv", http(200, rows)), field="link") == [
        FoundUrl(URLS[0], place="line 2"),
        InvalidEntry("2", "line 3: the row has 1 columns, and the URL is in column 2"),
        FoundUrl(URLS[1], place="line 4"),
    ]
    objects = f'{{"page": {{"url": "{URLS[0]}"}}}}\n{{}}\n'.encode()
    assert found_in(site.add("/urls.jsonl", http(200, objects)), field="page.url") == [
        FoundUrl(URLS[0], place="line 1"),
        InvalidEntry("{}", "line 2: the object has no text in the field page.url"),
    ]


def test_line_that_is_not_utf_8_is_reported(site: Site) -> None:
    """A byte that is not UTF-8 invalidates its line only."""
    file = site.add("/urls.txt", http(200, b"http://\xff/\n" + TEXT))
    assert found_in(file)[0] == InvalidEntry("http://\ufffd/", "line 1: the line is not UTF-8")


def close_within_body(request: PendingRequest) -> None:
    """Close the connection within the body."""
    request.send(http(200, TEXT, length=100_000))


@pytest.mark.parametrize(
    ("response", "error", "why"),
    [
        (http(404), SourceUnreadable, "the site answered 404"),
        (http(503), SourceUnavailable, "the site answered 503"),
        (close_within_body, SourceUnavailable, "incomplete_body"),
        (redirect("ftp://shop.example/"), SourceUnreadable, "invalid_redirect"),
        (http(200, b"x" * 200_000), SourceUnreadable, "more than 100000 bytes"),
        (http(200, gzip.compress(b"x\n" * 100_000)), SourceUnreadable, "larger than 100000 bytes"),
        (http(200, gzip.compress(TEXT)[:-9]), SourceUnreadable, "the gzip stream ends early"),
    ],
    ids=["404", "503", "closes", "redirect", "large", "large when decompressed", "truncated gzip"],
)
def test_file_that_cannot_be_read_raises_an_error(
    site: Site, response: Response, error: type[Exception], why: str
) -> None:
    """The error says what is wrong, and whether repeating the request may help."""
    opener = replace(make_reader().opener, file_max_bytes=100_000)
    with pytest.raises(error, match=why):
        found_in(site.add("/urls.txt", response), SourceReader(opener))


def test_decompression_bomb_is_unreadable(site: Site) -> None:
    """A file that decodes to more than 200 times its size is not read to its end."""
    file = site.add("/urls.gz", http(200, gzip.compress(bytes(20_000_000))))
    with pytest.raises(SourceUnreadable, match="decompression_bomb"):
        found_in(file)


def test_reading_ends_when_the_budget_is_spent(site: Site) -> None:
    """A file is read only until its time is over."""
    readings = itertools.count()
    reader = make_reader(40, lambda: float(next(readings)))
    with pytest.raises(SourceUnavailable, match="SITEMAP_BUDGET_SECONDS"):
        found_in(site.add("/urls.txt", http(200, TEXT * 1_000_000)), reader)


def test_urls_of_a_public_file_are_public_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose URL comes from a file at a public address may contact only public addresses."""
    count_as_public(monkeypatch)
    with running_site(host=PUBLIC_ADDRESS) as public:
        assert found_in(public.add("/u.txt", http(200, TEXT))) == found(*URLS, public_only=True)


def test_object_of_cloud_storage_is_read(storage: StorageServer) -> None:
    """An object is read with its stored bytes, whatever its name and its encoding are."""
    file = storage.add(
        "my-bucket", "daily/urls 1.txt", http(200, gzip.compress(TEXT), "Content-Encoding: gzip")
    )
    assert found_in(file, storage_reader(storage)) == found(*URLS, public_only=True)


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (404, SourceUnreadable, "Cloud Storage answered 404"),
        (403, SourceUnreadable, "grant roles/storage.objectViewer on the bucket my-bucket"),
        (429, SourceUnavailable, "Cloud Storage answered 429"),
        (503, SourceUnavailable, "Cloud Storage answered 503"),
    ],
)
def test_object_that_cannot_be_read_raises_an_error(
    storage: StorageServer, status: int, error: type[Exception], why: str
) -> None:
    """The error has the status, and for a missing permission the role that is needed."""
    file = storage.add("my-bucket", "urls.txt", http(status))
    with pytest.raises(error, match=why):
        found_in(file, storage_reader(storage))


def test_object_that_ends_early_is_unavailable(storage: StorageServer) -> None:
    """An object whose connection is closed within the body is not taken for the whole."""
    file = storage.add("my-bucket", "urls.txt", close_within_body)
    with pytest.raises(SourceUnavailable, match="Cloud Storage ended the object early"):
        found_in(file, storage_reader(storage))


def test_cloud_storage_that_does_not_listen_is_unavailable() -> None:
    """A refused connection may be accepted later."""
    with running_storage() as storage:
        file, reader = "gs://my-bucket/urls.txt", storage_reader(storage)
    with pytest.raises(SourceUnavailable, match="Cloud Storage did not answer"):
        found_in(file, reader)
