"""Nothing is lost, and nothing is twice in effect, while relays, the broker and the worker are killed."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from werkzeug import Request, Response

from console.ledger.ledger import Ledger
from console.stack.ports import free_port
from tests.relay.ledger_process import running_ledger
from tests.relay.relay_process import running_relay
from tests.relay.relayed_broker import RelayedBroker
from tests.relay.worker_process import WorkerProcess, running_worker
from tests.servers.controlled_site import html_page
from tests.servers.dispatcher_process import running_dispatcher
from tests.servers.http_server import serving
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

#: A killed relay costs each message that it has received an attempt, so there are more attempts than kills.
SETTINGS = ("--min-backoff", "1", "--max-backoff", "1", "--max-attempts", "100")
SECONDS_BETWEEN_KILLS = 2.0
#: Then the last relay may finish, so that the test ends on a busy machine, too, and with SQS, where the
#: messages of a killed relay return after up to 30 s.
MAX_KILLS = 30
MAX_KILLING_SECONDS = 90.0
WORKER_KILLS = {1, 4, 7}  #: numbers of the relay's kills at which the worker is killed, too
BROKER_KILLS = {1, 6}  #: the same for the broker
PAGE_SECONDS = 0.5
PAGE_CONCURRENCY = 16  #: pages at the same time, so that the worker makes about 30 pages a second


class SlowSite:
    """A site whose pages take `PAGE_SECONDS`.

    Attributes:
        url: its URL without a slash at its end.
        requests: how often each path was requested.
        is_open: no page comes before it is set, so that no run ends before the first kill.
    """

    url = ""

    def __init__(self) -> None:
        self.requests = Counter[str]()
        self.is_open = Event()

    def respond(self, request: Request) -> Response:
        """Record a request, and return the page."""
        self.requests[request.path] += 1
        if request.path == "/robots.txt":
            return Response(status=404)
        self.is_open.wait(MAX_WAIT_SECONDS)
        time.sleep(PAGE_SECONDS)
        return html_page(request.path)


@pytest.fixture
def site() -> Iterator[SlowSite]:
    """A running site."""
    site = SlowSite()
    with serving(site.respond) as site.url:
        yield site
        site.is_open.set()  # else a failed test would wait for the requests that are open


@dataclass
class Line:
    """A line of broker, relay and worker, which is broken again and again.

    Attributes:
        broker: the broker.
        site: the site.
        folder: has the logs.
        port: the port of the worker.
        kills: number of kills so far, by what was killed.
    """

    broker: RelayedBroker
    site: SlowSite
    folder: Path
    port: int
    kills: Counter[str]

    def start_worker(self, running: ExitStack) -> WorkerProcess:
        """Start a worker, which ends with `running` at the latest."""
        variables = {
            "PORT": str(self.port),
            "PUSH_AUTH": "none",
            "MAX_ATTEMPTS": "100",
            "PAGE_CONCURRENCY": str(PAGE_CONCURRENCY),
        }
        log = self.folder / "worker.log"
        return running.enter_context(running_worker(self.broker.url, log, **variables))

    def break_until(self, ledger: Ledger, run_id: str, jobs: int, running: ExitStack) -> None:
        """Kill what there is, until all jobs of a run have ended."""

        def has_ended() -> bool:
            return ledger.accounting(run_id).ended >= jobs

        worker, began = self.start_worker(running), time.monotonic()
        for number in count(1):
            log = self.folder / "relay.log"
            with running_relay(self.broker.url, f"{worker.url}/", log, *SETTINGS) as relay:
                kill_at = time.monotonic() + SECONDS_BETWEEN_KILLS
                before = self.site.requests.total() if self.site.is_open.is_set() else 0
                wait_until(lambda: time.monotonic() > kill_at or has_ended())  # noqa: B023 - it is called in this turn only
                wait_until(lambda: self.site.requests.total() > before or has_ended())  # noqa: B023 - as above
                if number > MAX_KILLS or (number > 1 and time.monotonic() > began + MAX_KILLING_SECONDS):
                    wait_until(has_ended)
                if has_ended():
                    wait_until(self.broker.is_empty)
                    relay.terminate()
                    if self.broker.is_empty():
                        return
                    continue  # the relay has held a message that was delivered twice, and has returned it
                if number in WORKER_KILLS:
                    self.kills["worker"] += 1
                    worker.kill()
                    worker = self.start_worker(running)
                if number in BROKER_KILLS and "broker -9" not in self.broker.cannot:
                    self.kills["broker"] += 1
                    self.broker.kill()
                    self.broker.start()
                self.kills["relay"] += 1
                relay.kill()
                self.site.is_open.set()


@pytest.mark.parametrize("jobs", [150, pytest.param(2000, marks=pytest.mark.long)])
def test_kills_lose_no_job_and_none_is_twice_in_effect(
    broker: RelayedBroker, site: SlowSite, tmp_path: Path, jobs: int
) -> None:
    """Each dispatched page has one result in the ledger, and no job is dead or in flight."""
    broker.create(*SETTINGS)
    line = Line(broker, site, tmp_path, free_port(), Counter())
    ledger, pages = Ledger(tmp_path / "data"), [f"{site.url}/page/{number}" for number in range(jobs)]
    ledger.create()
    with ExitStack() as running:
        log = tmp_path / "ledger.log"
        running.enter_context(running_ledger(broker.url, log, "--data", ledger.data))
        with running_dispatcher(BROKER_URL=broker.url, PUBSUB_EMULATOR_HOST="") as dispatcher:
            run_id = dispatcher.dispatch({"urls": pages})["run_id"]
        line.break_until(ledger, run_id, jobs, running)
        wait_until(lambda: ledger.accounting(run_id).adds_up)
    accounting = ledger.accounting(run_id)
    again = sum(times > 1 for path, times in site.requests.items() if path.startswith("/page/"))
    print(f"{broker.name}: {jobs} jobs, killed {dict(line.kills)}, {again} pages fetched again")  # noqa: T201 - figures of the run
    assert (accounting.dispatched, accounting.succeeded, accounting.in_flight) == (jobs, jobs, 0)
    assert Counter(result.url for result in ledger.results(run_id)) == Counter(pages)
    assert broker.dead_letters() == []
    assert broker.is_empty()
    assert line.kills["relay"] > 0
