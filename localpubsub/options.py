"""Every option of the server with its default and unit."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT_PORT: Final = 8085  #: the official emulator's
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a server is to run. Checked where it is used: a wrong one raises CannotStart with a sentence."""

    host: str = "127.0.0.1"  #: address to listen on
    port: int = DEFAULT_PORT  #: gRPC; 0 takes a free one
    http_port: int | None = (
        None  #: REST, state page, certificates; None takes port + 1, or a free one when port is 0
    )
    data: Path = Path(".localpubsub")  #: directory of everything that survives a restart
    ephemeral: bool = False  #: keep everything in memory, and nothing afterwards; ``data`` is then not used
    setup: Path | Mapping[str, Any] | None = None  #: topics and subscriptions to make at start
    max_outstanding: int = 1000  #: pushes of one subscription that may be open at a time, at least 1
    service_agent_permissions: bool = True  #: whether Pub/Sub's service agent may forward dead letters
    create_tables: bool = True  #: make the tables and buckets which export subscriptions write to
    fsync: bool = False  #: confirm only what survives the loss of power, not only the death of the process
    ca_file: Path | None = None  #: PEM certificates of authorities to trust at https:// push endpoints
    time_scale: float = 1.0  #: seconds of the server for each second of the world, above 0
    chaos: str = ""  #: what is to go wrong: see chaos.py
    log_level: str = "info"  #: one of LOG_LEVELS

    @property
    def requested_http_port(self) -> int:
        """The HTTP port to ask for; 0 takes a free one."""
        if self.http_port is not None:
            return self.http_port
        return self.port + 1 if self.port else 0

    @property
    def logging_level(self) -> int:
        """The level as the logging module counts."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]
