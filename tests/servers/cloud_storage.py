"""Runs a server with the part of Cloud Storage's JSON API that downloads objects."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tests.servers.site import Response, Site, running_site


class StorageServer:
    """A server of objects.

    Args:
        site: the web server that answers the requests.

    Attributes:
        url: the address of the server, for STORAGE_EMULATOR_HOST.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.url = site.url("")

    def add(self, bucket: str, name: str, response: Response) -> str:
        """Set the response for an object, and return its address, `gs://bucket/object`."""
        self._site.add(f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media", response)
        return f"gs://{bucket}/{name}"


@contextmanager
def running_storage() -> Iterator[StorageServer]:
    """Run the server until the block ends."""
    with running_site() as site:
        yield StorageServer(site)
