"""Assembles the server from its ports, broker, pushes, exports and certificates."""

import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpubsub.api.http_sources import HttpSources
from localpubsub.api.injected_faults import InjectedFaults
from localpubsub.api.ports import Ports
from localpubsub.api.services import make_services
from localpubsub.broker.broker import Broker
from localpubsub.broker.message_history import MessageHistory
from localpubsub.broker.state import ServerState
from localpubsub.clock import Clock
from localpubsub.errors import CannotStart
from localpubsub.exports.exports import Exports
from localpubsub.open_files import files_for_pushes
from localpubsub.options import Options
from localpubsub.protocol.calls import Services
from localpubsub.push.capacity import PushCapacity, max_open_pushes
from localpubsub.push.deliveries import PushDeliveries
from localpubsub.push.delivery import PushContext
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import CERTIFICATES_PATH, Tokens
from localpubsub.push.window import PushWindow
from localpubsub.storage.data_directory import DataDirectory
from localpubsub.storage.store import Store

if TYPE_CHECKING:
    from localpubsub.broker.chaos import Chaos

#: Maximum number of seconds that open pushes and calls get to finish when the server stops.
GRACE_SECONDS: Final = 0.5

#: Maximum time scale. With it a day of the server's time takes 1.5 s, and a timer may be wrong by a minute of
#: the server's time, because the event loop's timers have a resolution of 1 ms.
MAX_TIME_SCALE: Final = 60_000.0


class Server:
    """One server; ``start`` and ``close`` must be called on the same event loop.

    Attributes:
        options: the options it was created with.
        port: the port in ``host``; 0 before ``start``.
        http_port: the port in ``http_url``; 0 before ``start``. Both ports serve gRPC and HTTP/1.1.
        clock: the server's clock; set by ``start``.
        data: the data directory; None with the option ``ephemeral``.
        exports: the directory of the files that export subscriptions write; set by ``start``.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.port = 0
        self.http_port = 0
        self.data: Path | None = None if options.ephemeral else options.data
        self.clock: Clock
        self.exports = Path()
        self._closing = AsyncExitStack()

    @property
    def warehouse(self) -> Path:
        """The SQLite file that BigQuery subscriptions write; it is created for the first of them."""
        return self.exports / "warehouse.db"

    @property
    def buckets(self) -> Path:
        """The directory whose subdirectories are the buckets of Cloud Storage subscriptions."""
        return self.exports / "buckets"

    @property
    def host(self) -> str:
        """The gRPC address ``ADDRESS:PORT``, which is the value for PUBSUB_EMULATOR_HOST."""
        return _address(_connect_host(self.options.host), self.port)

    @property
    def http_url(self) -> str:
        """The URL of the REST API and the state page, without a slash at the end."""
        return f"http://{_address(_connect_host(self.options.host), self.http_port)}"

    @property
    def certs_url(self) -> str:
        """The URL of the certificates of push tokens, for google-auth's ``certs_url``."""
        return f"{self.http_url}{CERTIFICATES_PATH}"

    async def start(self) -> None:
        """Start the server; return once it serves both ports.

        Raises:
            CannotStart: an option is invalid, or a port or the data directory is in use.
        """
        async with AsyncExitStack() as closing:
            await self._start(closing)
            self._closing = closing.pop_all()

    async def close(self) -> None:
        """Stop serving, write pending changes to disk, and release the ports and the data directory."""
        await self._closing.aclose()

    async def _start(self, closing: AsyncExitStack) -> None:
        options = self.options
        # A port in use is reported first, before anything is read or created.
        grpc_socket = closing.enter_context(_listen(options.host, options.port, "--port"))
        setup = _read_setup(options) if options.setup is not None or options.projects else None
        directory = None
        if self.data is not None:
            directory = DataDirectory(self.data)
            closing.callback(directory.close)
        tls = TlsContext(options.ca_file)
        chaos = _chaos(options.chaos) if options.chaos else None
        store = Store(directory.database if directory else None, fsync=options.fsync)
        closing.callback(store.close)
        self.clock = clock = Clock(_checked_time_scale(options.time_scale))
        broker = Broker(store, clock, chaos, service_agent_permissions=options.service_agent_permissions)
        closing.push_async_callback(broker.close)
        tokens = Tokens(self.data, clock)
        state = ServerState(broker)
        if options.remembered_messages:
            state.history = MessageHistory(broker, options.remembered_messages)
        faults = InjectedFaults()
        services = faults.wrap(make_services(broker))
        if setup is not None:
            await setup(services)
        allowed_hosts = {name.lower() for name in (options.host, *options.allowed_hosts)}
        sources = HttpSources(tokens, state, clock, faults)
        await self._serve(closing, Ports(services, sources, allowed_hosts, GRACE_SECONDS), grpc_socket)
        places = max_open_pushes(options.max_outstanding, files_for_pushes(options.max_outstanding))
        new_window = partial(PushWindow, min(options.max_outstanding, places), options.window_floor)
        context = PushContext(broker, tokens, PushCapacity(places))
        state.push_status_source = pushes = PushDeliveries(context, new_window, tls)
        closing.push_async_callback(pushes.close, GRACE_SECONDS)
        self.exports = self.data or closing.enter_context(_temporary_directory())
        exports = Exports(broker, self.warehouse, self.buckets, create=options.create_tables)
        closing.push_async_callback(exports.close)

    async def _serve(self, closing: AsyncExitStack, ports: Ports, grpc_socket: socket.socket) -> None:
        """Serve both ports; both serve gRPC and HTTP/1.1."""
        http_socket = _listen(self.options.host, self.options.requested_http_port, "--http-port")
        self.port = int(grpc_socket.getsockname()[1])
        self.http_port = int(http_socket.getsockname()[1])
        closing.push_async_callback(ports.close)
        await ports.open(grpc_socket, http_socket)


# The next functions import modules only when they are called, because few servers need these modules. So a
# new server takes less than a quarter of the official emulator's memory.


def _read_setup(options: Options) -> Callable[[Services], Awaitable[None]]:
    """Read and check the setup, and return a function that creates its resources."""
    from localpubsub.setup import projects, resources  # noqa: PLC0415 - this import takes a tenth of the start

    entries = resources.read(options.setup) if options.setup is not None else []
    return partial(resources.create_all, [*entries, *projects.from_projects(options.projects)])


def _chaos(switches: str) -> "Chaos":
    from localpubsub.broker.chaos import Chaos, ChaosOptions  # noqa: PLC0415 - few servers inject faults

    return Chaos(ChaosOptions.parse(switches))


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - only ephemeral servers need it

    with TemporaryDirectory(prefix="localpubsub-") as directory:
        yield Path(directory)


def _checked_time_scale(scale: float) -> float:
    if not 0 < scale <= MAX_TIME_SCALE:
        raise CannotStart(
            f"invalid --time-scale {scale:g}: it must be above 0 and at most {MAX_TIME_SCALE:g}."
        )
    return scale


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _port_in_use(host, port, option) from error
        # Python appends the address in parentheses, which the message below already contains.
        reason = (error.strerror or str(error)).partition(" (")[0]
        address = _address(host, port)
        raise CannotStart(f"cannot listen on {address}: {reason}. Check --host and {option}.") from error


def _port_in_use(host: str, port: int, option: str) -> CannotStart:
    return CannotStart(
        f"cannot listen on {_address(host, port)}: is another server running there? "
        f"Choose another port with {option} (0 chooses a free one)."
    )


def _address(host: str, port: int) -> str:
    """Return host and port in the form of URLs and gRPC, with IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect_host(host: str) -> str:
    """Return an address at which a server that listens on ``host`` can be reached."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - the address is only compared
