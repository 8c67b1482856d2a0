"""Defines every option of the server, with its default and unit."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT_PORT: Final = 8085  #: The official emulator's default port.
DEFAULT_HISTORY: Final = 1_000  #: Number of messages that a server with ``ephemeral`` remembers.
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a server. Each is checked where it is used; an invalid one raises CannotStart."""

    host: str = "127.0.0.1"  #: Address to listen on.
    #: Names by which HTTP clients may address the server, in addition to ``host``, ``localhost`` and
    #: addresses; "*" allows every name.
    allowed_hosts: Sequence[str] = ()
    port: int = DEFAULT_PORT  #: Port in PUBSUB_EMULATOR_HOST; 0 chooses a free port.
    #: Port in the URLs; None means ``port`` + 1, or a free port if ``port`` is 0. Both ports serve
    #: gRPC and HTTP/1.1.
    http_port: int | None = None
    data: Path = Path(".localpubsub")  #: Directory for all data that must survive a restart.
    ephemeral: bool = False  #: Keep all data in memory only and do not use ``data``.
    #: Topics, subscriptions and schemas to create at the start: a YAML file or its content.
    setup: Path | Mapping[str, Any] | None = None
    #: Topics and subscriptions to create at the start, in the short form of setup/projects.py.
    projects: Sequence[str] = ()
    max_outstanding: int = 3000  #: Maximum number of concurrent pushes of one subscription; at least 1.
    #: Number of concurrent pushes below which nacks do not reduce a push window that has reached it; at
    #: least 1. The default is the lower limit of Pub/Sub (push/window.py).
    window_floor: int = 3000
    #: Whether Pub/Sub's service agent has its roles. Without them messages are not dead-lettered and delivery
    #: attempts are not counted.
    service_agent_permissions: bool = True
    create_tables: bool = True  #: Create missing tables and buckets of export subscriptions.
    #: Confirm a change only when it survives a power failure; by default it survives a crash of the process.
    fsync: bool = False
    #: PEM file of further certificate authorities to trust for https:// push endpoints.
    ca_file: Path | None = None
    time_scale: float = 1.0  #: Seconds of server time per second of real time; above 0.
    chaos: str = ""  #: Faults to inject; ChaosOptions.parse in broker/chaos.py describes the syntax.
    #: Number of messages to remember for ``/messages``; None means 1,000 with ``ephemeral``, otherwise 0.
    history: int | None = None
    log_level: str = "info"  #: Lowest level to log, one of LOG_LEVELS.

    @property
    def requested_http_port(self) -> int:
        """The HTTP port to listen on; 0 chooses a free port."""
        if self.http_port is not None:
            return self.http_port
        return self.port + 1 if self.port else 0

    @property
    def remembered_messages(self) -> int:
        """Number of messages to remember; 0 to remember none."""
        if self.history is not None:
            return self.history
        return DEFAULT_HISTORY if self.ephemeral else 0

    @property
    def logging_level(self) -> int:
        """``log_level`` as a number of the logging module."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]
