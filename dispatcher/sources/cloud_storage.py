"""Reads objects of Cloud Storage with its JSON API and the account of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from dispatcher.sources.opened_file import OpenedFile, first_byte
from dispatcher.sources.source import SourceUnavailable, SourceUnreadable

if TYPE_CHECKING:
    import requests

ENDPOINT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
TIMEOUT_SECONDS = 30.0  #: maximum number of seconds without a byte from Cloud Storage
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class CloudStorage:
    """Opens objects.

    Attributes:
        emulator: the address `http://host:port` of an emulator, to which no token is sent; `""` for the real
            Cloud Storage.
    """

    emulator: str = ""

    @contextmanager
    def open(self, bucket: str, name: str, offset: int = 0) -> Iterator[OpenedFile]:
        """Open an object and yield its bytes as it stores them, in pieces of at most 64 KiB.

        Args:
            bucket: the name of the bucket.
            name: the name of the object.
            offset: number of bytes that need not be sent.

        Raises:
            SourceUnavailable: if Cloud Storage is not available, or responds with 408, 429 or 5xx.
            SourceUnreadable: if the object does not exist, or the account may not read it.
        """
        import requests  # noqa: PLC0415 - only this source needs the import
        from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415 - see above

        # https://cloud.google.com/storage/docs/json_api/v1/objects/get
        path = f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
        headers = {"Accept-Encoding": "gzip"}  # else Cloud Storage decompresses some objects
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            with (
                self._session() as session,
                session.get(
                    (self.emulator or ENDPOINT) + path, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
                ) as response,
            ):
                if response.status_code not in {206, 416}:
                    _check_status(response.status_code, bucket)
                begins_at = first_byte(response.status_code, response.headers.get("Content-Range", ""))
                yield OpenedFile(_chunks(response), response.headers.get("x-goog-generation", ""), begins_at)
        except (requests.RequestException, TransportError) as error:
            raise SourceUnavailable(f"Cloud Storage did not answer: {error}") from None
        except GoogleAuthError as error:
            raise SourceUnreadable(f"there is no account for Cloud Storage: {error}") from None

    def _session(self) -> "requests.Session":
        import requests  # noqa: PLC0415 - only this source needs the import

        if self.emulator:
            session = requests.Session()
            session.trust_env = False
            return session
        import google.auth  # noqa: PLC0415 - only this source needs the import
        from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415 - see above

        credentials, _ = google.auth.default(scopes=[SCOPE])
        authorized: requests.Session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # no types
        return authorized


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    """Yield the body as it was sent; an object with `Content-Encoding: gzip` is recognised by its bytes."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - only this source needs the import

    try:
        while chunk := response.raw.read(CHUNK_BYTES, decode_content=False):
            yield chunk
    except HTTPError as error:
        raise SourceUnavailable(f"Cloud Storage ended the object early: {error}") from None


def _check_status(status: int, bucket: str) -> None:
    if status in {408, 429} or status >= 500:
        raise SourceUnavailable(f"Cloud Storage answered {status}")
    if status in {401, 403}:
        remedy = f"grant roles/storage.objectViewer on the bucket {bucket} to the dispatcher's account"
        raise SourceUnreadable(f"Cloud Storage answered {status}: {remedy}")
    if status != 200:
        raise SourceUnreadable(f"Cloud Storage answered {status}")
