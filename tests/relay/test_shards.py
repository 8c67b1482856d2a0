"""A dispatch that needs several requests reaches its end, although its dispatcher is killed in the middle."""

from pathlib import Path
from threading import Event

from console.ledger.ledger import Ledger
from console.stack.ports import free_port
from contract.topology import DISPATCH_SUBSCRIPTION
from tests.relay.ledger_process import running_ledger
from tests.relay.relay_process import running_relay
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.dispatcher_process import running_dispatcher
from tests.servers.file_ranges import content_range, ranges, requested_start
from tests.servers.site import PendingRequest, Site, http
from tests.servers.waiting import wait_until

#: The relay repeats a push until the dispatcher runs again. The attempts last longer than a test may.
SETTINGS = ("--min-backoff", "1", "--max-backoff", "10", "--max-attempts", "100")
SHARD_URLS = 2500
URLS = 6000  #: three requests
SENT_URLS = 2000  #: URLs of the second request that the dispatcher can read before it is killed
#: A dispatcher publishes the jobs of so many URLs before it has read the others (`MAX_CHUNK_MESSAGES`).
PUBLISHED_URLS = 1000
ETAG = 'ETag: "1"'


class InterruptedFile:
    """A file of URLs; who asks for its rest gets a part of it, and then nothing until `is_whole` is set."""

    def __init__(self, urls: list[str]) -> None:
        self.is_whole = Event()
        self._body = "\n".join(urls).encode()
        self._part_bytes = SENT_URLS * (len(urls[0]) + 1)

    def __call__(self, request: PendingRequest) -> None:
        """Send the response."""
        start = requested_start(request)
        if start is None or self.is_whole.is_set():
            ranges(self._body, ETAG)(request)
            return
        rest = self._body[start:]
        part, where = rest[: self._part_bytes], content_range(self._body, start)
        request.send(http(206, part, where, ETAG, length=len(rest)))
        request.wait_until_closed()


def test_shards_are_dispatched_once_in_effect_although_the_dispatcher_is_killed(
    broker: RelayedBroker, site: Site, tmp_path: Path
) -> None:
    """Each URL is one job of the ledger, although a request has published a part of its jobs twice."""
    broker.create(*SETTINGS)
    port, ledger = free_port(), Ledger(tmp_path / "data")
    ledger.create()
    file = InterruptedFile([f"https://shop.example/{number:0100d}" for number in range(URLS)])
    variables = {
        "PORT": str(port),
        "BROKER_URL": broker.url,
        "GOOGLE_CLOUD_PROJECT": "",
        "PUBSUB_EMULATOR_HOST": "",
        "DISPATCH_TOPIC": "scrape-dispatch",
        "SHARD_URLS": str(SHARD_URLS),
        "PUSH_AUTH": "none",
    }
    sources = {"urls_file": {"url": site.add("/urls.txt", file)}}
    with (
        running_ledger(broker.url, tmp_path / "ledger.log", "--data", ledger.data),
        running_relay(
            broker.url,
            f"http://127.0.0.1:{port}/shards",
            tmp_path / "relay.log",
            *("--subscription", DISPATCH_SUBSCRIPTION),
            *SETTINGS,
        ) as relay,
    ):
        with running_dispatcher(**variables) as dispatcher:
            run_id = dispatcher.dispatch(sources)["run_id"]
            wait_until(lambda: ledger.accounting(run_id).dispatched >= SHARD_URLS + PUBLISHED_URLS)
            dispatcher.kill()
        assert relay.counter("acknowledged") == 0
        file.is_whole.set()
        with running_dispatcher(**variables):
            wait_until(lambda: relay.counter("acknowledged") == 2)
            wait_until(lambda: [each.is_complete for each in ledger.dispatches(run_id)] == [True])
            wait_until(lambda: ledger.accounting(run_id).dispatched == URLS)
            copies = "SELECT count(*) FROM `${ledger}.job_messages` WHERE run_id = ?"
            wait_until(lambda: ledger.rows(copies, run_id)[0][0] >= URLS + PUBLISHED_URLS)
    [dispatch] = ledger.dispatches(run_id)
    assert (dispatch.requests, dispatch.report.published) == (3, URLS)
    assert ledger.accounting(run_id).in_flight == URLS
    assert broker.dead_letters() == []
