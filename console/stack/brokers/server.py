"""Describes the server of a broker: how it is started on this machine, and where it then listens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from console.private_files import make_private_directory
from console.stack.tcp_probe import TcpProbe


@dataclass(frozen=True)
class ServerProcess:
    """A process of a broker's server.

    Attributes:
        name: name of its log, for example `broker`.
        title: its name in messages, without "the".
        command: program and arguments.
        probe: is answered when the process is ready.
        environment: environment variables in addition to those of the stack.
    """

    name: str
    title: str
    command: tuple[str, ...]
    probe: TcpProbe
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BrokerServer:
    """A server with its directory and ports.

    Attributes:
        url: BROKER_URL of its clients.
        directory: directory of its configuration and data; it must be created before the start.
        processes: its processes in the order of their start; each must be ready before the next is started.
        files: the text of each file that must be in the directory, by the file's name.
    """

    url: str
    directory: Path
    processes: tuple[ServerProcess, ...]
    files: Mapping[str, str] = field(default_factory=dict)

    def write_files(self) -> None:
        """Create the directory if it is missing, and write the files.

        Raises:
            OSError: they cannot be written.
        """
        make_private_directory(self.directory)
        for name, text in self.files.items():
            (self.directory / name).write_text(text)


class LocalBroker(NamedTuple):
    """A broker whose server can be started on this machine.

    Attributes:
        title: the broker's name.
        ports: what its ports are for.
        missing: returns the sentence that says what must be installed; `""` if nothing is missing.
        server: returns a server for a directory and ports; the next one in the same directory has its data.
        example: an example of a URL.
        note: a sentence about what the server does not keep; `""` if it keeps everything.
        client_environment: environment variables that clients of the server need.
    """

    title: str
    ports: tuple[str, ...]
    missing: Callable[[], str]
    server: Callable[[Path, Sequence[int]], BrokerServer]
    example: str
    note: str = ""
    client_environment: Mapping[str, str] = {}
