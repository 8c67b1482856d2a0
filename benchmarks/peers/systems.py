"""The systems that are compared, each with its fastest settings for the pages of 0 ms and of 200 ms."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.peers.processes import Launcher
from benchmarks.peers.running import Peer, Running
from benchmarks.peers.scrapeq import running_scrapeq
from benchmarks.peers.servers import SERVERS
from console.stack.ports import free_port

PROGRAMS = "benchmarks.peers.programs"
BARE = "bare"  #: name of the system with which all others are compared
SCRAPEQ = "scrapeq"


@dataclass(frozen=True)
class System:
    """A system that is compared.

    Attributes:
        name: its name on the command line.
        title: its name in tables.
        settings: a short description of its settings, by the delay of the pages in milliseconds.
        start: starts it for pages of a delay, in a context that ends it.
        servers: names of the servers that it needs.
        is_in_readme: whether it is in the table and the chart of the README.
    """

    name: str
    title: str
    settings: Mapping[int, str]
    start: Callable[[Launcher, int], AbstractContextManager[Running]]
    servers: tuple[str, ...] = ()
    is_in_readme: bool = True

    def missing(self) -> str:
        """Return why the system cannot run on this machine; empty if it can."""
        absent = [each for each in self.servers if not SERVERS[each].is_installed()]
        return "; ".join(f"{each} is not installed ({SERVERS[each].installation})" for each in absent)


def _peer(
    start: Callable[[Peer, str, int], None], *servers: str, **variables: str
) -> Callable[[Launcher, int], AbstractContextManager[Running]]:
    """Return a function that starts a peer with its server, whose URL it gets as BROKER_URL."""

    @contextmanager
    def running(launcher: Launcher, delay_ms: int) -> Iterator[Running]:
        url = SERVERS[servers[0]].start(launcher) if servers else ""
        peer = Peer(launcher, {"BROKER_URL": url, **variables})
        start(peer, url, delay_ms)
        yield peer

    return running


def _scrapeq(broker: str = "") -> Callable[[Launcher, int], AbstractContextManager[Running]]:
    return lambda launcher, delay_ms: running_scrapeq(launcher, 200 if delay_ms else 80, broker)


def _bare(peer: Peer, _: str, delay_ms: int) -> None:
    for index in "01":
        peer.sender(f"{PROGRAMS}.bare", "100" if delay_ms else "1", index, is_worker=True)


def _limit(peer: Peer, _: str, delay_ms: int) -> None:
    for index in "01":
        peer.sender(f"{PROGRAMS}.limit", "400" if delay_ms else "20", index, is_worker=True)


def _dramatiq(threads: Mapping[int, str]) -> Callable[[Peer, str, int], None]:
    def start(peer: Peer, _: str, delay_ms: int) -> None:
        module = f"{PROGRAMS}.dramatiq_actors"
        peer.worker("dramatiq", module, "--processes", "2", "--threads", threads[delay_ms])
        peer.sender(module)

    return start


class _Pool(NamedTuple):
    """How Celery runs tasks: the number of its workers, and the options of each."""

    workers: int
    options: tuple[str, ...]


def _celery(pools: Mapping[int, _Pool]) -> Callable[[Peer, str, int], None]:
    """Return a function that starts Celery with the pool for the delay of the pages."""

    def start(peer: Peer, _: str, delay_ms: int) -> None:
        module = f"{PROGRAMS}.celery_tasks"
        for number in range(pools[delay_ms].workers):
            name = f"--hostname=worker{number}@localhost"
            options = pools[delay_ms].options
            peer.worker("celery", "--app", module, "worker", "--loglevel=WARNING", name, *options)
        peer.sender(module)

    return start


def _scrapy(peer: Peer, _: str, delay_ms: int) -> None:
    peer.sender(f"{PROGRAMS}.scrapy_spider", "200" if delay_ms else "16", is_worker=True)


def _procrastinate(peer: Peer, _: str, delay_ms: int) -> None:
    module = f"{PROGRAMS}.procrastinate_tasks"
    peer.run("procrastinate", "--app", f"{module}.app", "schema", "--apply")
    for _number in range(2):
        concurrency = "100" if delay_ms else "8"
        peer.worker("procrastinate", "--app", f"{module}.app", "worker", "--concurrency", concurrency)
    peer.sender(module)


def _push_worker(peer: Peer, connections: int) -> str:
    address = f"127.0.0.1:{free_port()}"
    options = ("--workers=2", f"--worker-connections={connections}", f"--bind={address}")
    peer.worker("gunicorn", "--worker-class=gevent", *options, f"{PROGRAMS}.push_worker:app")
    return f"http://{address}/"


def _pushed(peer: Peer, _: str, delay_ms: int) -> None:
    worker = _push_worker(peer, 400)
    peer.sender(f"{PROGRAMS}.pusher", "400" if delay_ms else "80", worker)


def _emulator(peer: Peer, host: str, _: int) -> None:
    peer.sender(f"{PROGRAMS}.emulator_publisher", host, _push_worker(peer, 400))


DEFAULT_POOL = _Pool(1, ())
PREFORK_2 = _Pool(1, ("--pool=prefork", "--concurrency=2"))
PREFORK_8 = _Pool(1, ("--pool=prefork", "--concurrency=8"))
# With 2 × 100 greenlets Celery does about as many jobs on RabbitMQ, and a fifth of them on Redis.
THREADS = _Pool(2, ("--pool=threads", "--concurrency=100"))
RECOMMENDED = {"CELERY_SETTINGS": "recommended"}
DEFAULT = {"CELERY_SETTINGS": "default"}
ALL = (
    System(
        "limit",
        "aiohttp + selectolax, no queue: the limit of the machine",
        {0: "2 × 20", 200: "2 × 400"},
        _peer(_limit),
        is_in_readme=False,
    ),
    System(
        BARE,
        "bare loop: requests + parsel, no queue",
        {0: "2 × 1", 200: "2 × 100 threads"},
        _peer(_bare),
    ),
    System(
        SCRAPEQ,
        "**Scrapeq on localpubsub**",
        {0: "2 processes, 80 pages", 200: "2 processes, 200 pages"},
        _scrapeq(),
    ),
    System(
        "scrapeq-rabbitmq",
        "**Scrapeq, RabbitMQ**",
        {0: "2 processes, 80 pages", 200: "2 processes, 200 pages"},
        _scrapeq("rabbitmq"),
        ("rabbitmq",),
        is_in_readme=False,
    ),
    System(
        "scrapeq-redis",
        "**Scrapeq, Redis, each write on disk**",
        {0: "2 processes, 80 pages", 200: "2 processes, 200 pages"},
        _scrapeq("redis"),
        ("redis",),
        is_in_readme=False,
    ),
    System(
        "dramatiq-rabbitmq",
        "Dramatiq, RabbitMQ",
        {0: "2 × 8 threads (default)", 200: "2 × 100 threads"},
        _peer(_dramatiq({0: "8", 200: "100"}), "rabbitmq"),
        ("rabbitmq",),
    ),
    System(
        "dramatiq-redis",
        "Dramatiq, Redis",
        {0: "2 × 8 threads (default)", 200: "2 × 32 threads"},
        _peer(_dramatiq({0: "8", 200: "32"}), "redis"),
        ("redis",),
    ),
    System(
        "celery-rabbitmq",
        "Celery, RabbitMQ, late acks",
        {0: "prefork 2", 200: "2 × 100 threads"},
        _peer(_celery({0: PREFORK_2, 200: THREADS}), "rabbitmq", **RECOMMENDED),
        ("rabbitmq",),
    ),
    System(
        "celery-redis",
        "Celery, Redis, late acks",
        {0: "prefork 8", 200: "2 × 100 threads"},
        _peer(_celery({0: PREFORK_8, 200: THREADS}), "redis", **RECOMMENDED),
        ("redis",),
    ),
    System(
        "celery-rabbitmq-default",
        "Celery, RabbitMQ, default settings",
        {0: "prefork 2", 200: "prefork 2"},
        _peer(_celery({0: DEFAULT_POOL, 200: DEFAULT_POOL}), "rabbitmq", **DEFAULT),
        ("rabbitmq",),
        is_in_readme=False,
    ),
    System(
        "celery-redis-default",
        "Celery, Redis, default settings",
        {0: "prefork 2", 200: "prefork 2"},
        _peer(_celery({0: DEFAULT_POOL, 200: DEFAULT_POOL}), "redis", **DEFAULT),
        ("redis",),
        is_in_readme=False,
    ),
    System(
        "scrapy",
        "Scrapy with JOBDIR, one process",
        {0: "16 requests (default)", 200: "200 requests"},
        _peer(_scrapy),
        is_in_readme=False,
    ),
    System(
        "procrastinate",
        "Procrastinate, PostgreSQL",
        {0: "2 × 8 threads", 200: "2 × 100 threads"},
        _peer(_procrastinate, "postgresql"),
        ("postgresql",),
    ),
    System(
        "push",
        "minimal push worker, bare pusher, no queue",
        {0: "2 × gevent, 80 pushes", 200: "2 × gevent, 400 pushes"},
        _peer(_pushed),
        is_in_readme=False,
    ),
    System(
        "push-emulator",
        "minimal push worker, official emulator",
        {0: "2 × gevent", 200: "2 × gevent"},
        _peer(_emulator, "emulator"),
        ("emulator",),
    ),
)
SYSTEMS = {system.name: system for system in ALL}
