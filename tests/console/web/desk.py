"""A stack with its page, a site with faults, and a browser: what an operator has before them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from werkzeug import Request, Response

from console.ledger.ledger import Accounting
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from tests.servers.browser import open_browser
from tests.servers.http_server import serving
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

POLICY = DeliveryPolicy(
    ack_deadline_seconds=120, max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=1
)
TIMEOUT_MILLISECONDS = 1000 * MAX_WAIT_SECONDS
RECIPE = {
    "name": "product",
    "fields": {
        "title": {"css": "h1", "required": True},
        "price": {"css": ".price", "type": "number"},
        "note": {"css": ".note"},
    },
}


class Shop:
    """A site whose pages below /broken fail until `mend` is called; /odd has no h1, and /gone is missing.

    Attributes:
        url: its address without a slash at the end.
    """

    def __init__(self) -> None:
        self.url = ""
        self._is_mended = threading.Event()

    def mend(self) -> None:
        """Let the broken pages work from now on."""
        self._is_mended.set()

    def respond(self, request: Request) -> Response:
        """Return the response to a request."""
        if request.path == "/robots.txt":
            return Response("", 404)
        if request.path.startswith("/broken") and not self._is_mended.is_set():
            return Response("<h1>Broken</h1>", 500, content_type="text/html")
        if request.path.startswith("/gone"):
            return Response("", 404)
        if request.path.startswith("/odd"):
            return Response(f"<h2>Odd {request.path}</h2>", content_type="text/html")
        number = len(request.path)
        body = (
            f"<html><head><title>x</title><script>window.hacked = 1</script></head><body>"
            f"<h1 onclick='window.hacked = 1'>Page {request.path}</h1>"
            f"<p class=price>€ {number}.50</p></body></html>"
        )
        return Response(body, content_type="text/html; charset=utf-8")


class Desk:
    """What an operator has before them.

    Attributes:
        stack: the running stack.
        shop: the site.
        browser: the browser.
        page: a window of the browser.
    """

    def __init__(self, stack: Stack, shop: Shop, browser: "Browser") -> None:
        self.stack = stack
        self.shop = shop
        self.browser = browser
        self.page = self.window()

    @property
    def url(self) -> str:
        """Address of the page without a slash at the end."""
        return self.stack.addresses.console_url

    def window(self, **options: object) -> "Page":
        """Open another window, with options of Playwright's `new_page`."""
        page = self.browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]  # options of many types
        page.set_default_timeout(TIMEOUT_MILLISECONDS)
        return page

    def open(self, path: str) -> "Page":
        """Open a screen in the operator's window."""
        self.page.goto(self.url + path)
        return self.page

    def crawl(self, name: str, paths: list[str], **fields: object) -> str:
        """Return a crawl of pages of the shop, as YAML."""
        document = {
            "name": name,
            "sources": {"urls": [f"{self.shop.url}/{path}" for path in paths]},
            "recipe": RECIPE,
            "politeness": {"delay_seconds": 0},
        }
        return str(yaml.safe_dump({**document, **fields}))

    def start_run(self, crawl: str) -> str:
        """Start a run on the page, and return its id once the ledger has it."""
        before = set(self.stack.ledger.runs())
        page = self.open("/runs?start=1")
        page.get_by_label("Crawl (YAML)").fill(crawl)
        page.get_by_role("button", name="Dispatch").click()
        new = wait_for(lambda: set(self.stack.ledger.runs()) - before, bool, "the run is recorded")
        return new.pop()

    def ended(self, run_id: str, jobs: int) -> Accounting:
        """Return the accounting of a run once none of its jobs is in flight."""
        return wait_for(
            lambda: self.stack.ledger.accounting(run_id),
            lambda now: now.dispatched == jobs and not now.in_flight,
            f"all jobs of {run_id} have ended",
        )


@contextmanager
def open_desk(data: Path) -> Iterator[Desk]:
    """Start a stack with its page, a site and a browser, until the block ends."""
    shop = Shop()
    options = StackOptions(data=data, console_port=0, delivery=POLICY)
    with open_browser() as browser, serving(shop.respond) as shop.url, Stack(options) as stack:
        yield Desk(stack, shop, browser)
