"""The whole server, wired: ports, broker, pushes, certificates. The only file that knows all of them."""

import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from grpc import aio

from localpubsub.api.grpc_methods import Methods
from localpubsub.api.http_port import HttpPort
from localpubsub.api.iam import IAM_POLICY, IamService
from localpubsub.api.publisher import PublisherService
from localpubsub.api.schemas import SchemaService
from localpubsub.api.subscriber import SubscriberService
from localpubsub.broker.broker import Broker
from localpubsub.broker.state import ServerState
from localpubsub.clock import Clock
from localpubsub.errors import CannotStart
from localpubsub.exports.exports import Exports
from localpubsub.options import Options
from localpubsub.protocol.calls import Services
from localpubsub.push.delivery import PushDeliveries
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import CERTIFICATES_PATH, Tokens
from localpubsub.resources.limits import GRPC_RECEIVE_BYTES
from localpubsub.storage.data_directory import DataDirectory
from localpubsub.storage.store import Store

if TYPE_CHECKING:
    from localpubsub.broker.chaos import Chaos

#: Seconds that pushes and calls under way have to finish when the server stops.
GRACE: Final = 0.5

#: The most a time scale can be: a day in a second and a half. A loop's timers have about a millisecond.
MAX_TIME_SCALE: Final = 60_000.0

_GRPC_OPTIONS: Final = (
    ("grpc.max_receive_message_length", GRPC_RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Else a second server on the port would start, and get half of the connections.
    ("grpc.so_reuseport", 0),
    # The official clients ping every 30 s, which gRPC servers take for abuse unless told otherwise.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class Server:
    """A running server. ``start`` and ``close`` belong to the same event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.port = 0  #: the gRPC port, once started
        self.http_port = 0  #: the HTTP port, once started
        self.data: Path | None = None if options.ephemeral else options.data
        self.exports = Path()  #: directory of what export subscriptions write, once started
        self._closing = AsyncExitStack()

    @property
    def warehouse(self) -> Path:
        """The SQLite file that BigQuery subscriptions write; there once a first one is."""
        return self.exports / "warehouse.db"

    @property
    def buckets(self) -> Path:
        """Each directory in it is a bucket of Cloud Storage subscriptions."""
        return self.exports / "buckets"

    @property
    def host(self) -> str:
        """``ADDRESS:PORT``, the value for PUBSUB_EMULATOR_HOST."""
        return _address(_reachable(self.options.host), self.port)

    @property
    def http_url(self) -> str:
        """Where the REST API and the state page are; ends without a slash."""
        return f"http://{_address(_reachable(self.options.host), self.http_port)}"

    @property
    def certs_url(self) -> str:
        """Where the certificates of push tokens are, for google-auth's ``certs_url``."""
        return f"{self.http_url}{CERTIFICATES_PATH}"

    async def start(self) -> None:
        """Serve; returns once both ports answer. CannotStart if that cannot be."""
        async with AsyncExitStack() as opened:
            await self._start(opened)
            self._closing = opened.pop_all()

    async def close(self) -> None:
        """Stop serving, write what is left, let go of ports and directory."""
        await self._closing.aclose()

    async def _start(self, opened: AsyncExitStack) -> None:
        options = self.options
        _listen(options.host, options.port, "--port").close()  # our sentence, before gRPC's own
        setup = _setup(options.setup) if options.setup is not None else None
        directory = None
        if self.data is not None:
            directory = DataDirectory(self.data)
            opened.callback(directory.close)
        trust = TlsContext(options.ca_file)
        chaos = _chaos(options.chaos) if options.chaos else None
        store = Store(directory.database if directory else None, fsync=options.fsync)
        opened.callback(store.close)
        clock = Clock(_positive(options.time_scale))
        broker = Broker(store, clock, chaos, service_agent_permissions=options.service_agent_permissions)
        opened.push_async_callback(broker.close)
        tokens = Tokens(self.data, clock)
        services = {
            "Publisher": PublisherService(broker).methods(),
            "SchemaService": SchemaService(broker).methods(),
            "Subscriber": SubscriberService(broker).methods(),
            IAM_POLICY: IamService(broker).methods(),
        }
        if setup is not None:
            await setup(services)
        state = ServerState(broker)
        await self._serve_http(opened, HttpPort(services, tokens, state, GRACE))
        await self._serve_grpc(opened, services)
        state.push_status_source = pushes = PushDeliveries(broker, tokens, options.max_outstanding, trust)
        opened.push_async_callback(pushes.close, GRACE)
        self.exports = self.data or opened.enter_context(_temporary_directory())
        exports = Exports(broker, self.warehouse, self.buckets, create=options.create_tables)
        opened.push_async_callback(exports.close)

    async def _serve_http(self, opened: AsyncExitStack, door: HttpPort) -> None:
        host = self.options.host
        listening = _listen(host, self.options.requested_http_port, "--http-port")
        self.http_port = int(listening.getsockname()[1])
        opened.push_async_callback(door.close)
        await door.open(listening, grpc=lambda: (_reachable(host), self.port))

    async def _serve_grpc(self, opened: AsyncExitStack, services: Services) -> None:
        server = aio.server(options=_GRPC_OPTIONS)
        server.add_generic_rpc_handlers((Methods(services),))
        try:
            self.port = server.add_insecure_port(_address(self.options.host, self.options.port))
        except RuntimeError as error:
            raise _port_in_use(self.options.host, self.options.port, "--port") from error
        await server.start()
        opened.push_async_callback(server.stop, GRACE)


def _setup(wanted: Path | Mapping[str, Any]) -> Callable[[Services], Awaitable[None]]:
    """Read what is wanted, at once, to be made when there are services."""
    from localpubsub.setup import resources  # noqa: PLC0415 - with YAML and protobuf's JSON, a tenth of the start

    return partial(resources.make, resources.read(wanted))


# What few servers need is imported where it is needed: a start is to take a quarter of the emulator's memory.


def _chaos(switches: str) -> "Chaos":
    from localpubsub.broker.chaos import Chaos, ChaosOptions  # noqa: PLC0415 - see above

    return Chaos(ChaosOptions.parse(switches))


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - see above

    with TemporaryDirectory(prefix="localpubsub-") as directory:
        yield Path(directory)


def _positive(scale: float) -> float:
    if not 0 < scale <= MAX_TIME_SCALE:
        raise CannotStart(
            f"--time-scale {scale:g} cannot be: it must be above 0, and at most {MAX_TIME_SCALE:g}."
        )
    return scale


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _port_in_use(host, port, option) from error
        reason = (error.strerror or str(error)).partition(" (")[
            0
        ]  # without the address, which we write better
        where = _address(host, port)
        raise CannotStart(f"cannot listen on {where}: {reason}. Look at --host and {option}.") from error


def _port_in_use(host: str, port: int, option: str) -> CannotStart:
    return CannotStart(
        f"cannot listen on {_address(host, port)}: is another server running there? "
        f"Choose another port with {option} (0 takes a free one)."
    )


def _address(host: str, port: int) -> str:
    """Host and port as URLs and gRPC write them: IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    """An address that leads to a server listening on ``host``."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not listened on
