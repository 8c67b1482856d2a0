"""Keeps the addresses and policies of `scrapeq up` in its data directory, so that other commands find them.

The file `stack.json` stays after the end of the stack, since its policies say when a job is tried next.
A stack runs as long as its process locks the file `lock`; the kernel unlocks it, even after SIGKILL.
"""

import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from console.errors import StackNotRunningError, UsageError
from console.private_files import private_opener, replace_private_file
from console.stack.addresses import Addresses
from console.stack.services import FETCH_SETTINGS, LOOPBACK_NETWORKS, AckPolicy, DeliveryPolicy

DEFAULT_DATA = ".scrapeq"  #: data directory of commands without --data and SCRAPEQ_DATA
NAME, LOCK = "stack.json", "lock"
LOCK_TRIES, LOCK_PAUSE_SECONDS = 20, 0.05  #: a command that asks whether a stack runs has the lock briefly
MAX_BYTES = 64 * 1024  #: maximum size of stack.json


@dataclass(frozen=True)
class StackRecord:
    """What a stack has recorded about itself.

    Attributes:
        pid: id of the process of `scrapeq up`.
        addresses: addresses of its services.
        is_ready: whether all services have been healthy.
        started_at: Unix time of the start, in seconds.
        ack_policy: acknowledgement policy of the worker.
        delivery: how jobs are delivered and retried.
        fetch_settings: settings of the worker that limit which addresses it requests.
        broker: identifies the broker that carries the messages; `""` for localpubsub.
    """

    pid: int
    addresses: Addresses
    is_ready: bool = False
    started_at: float = 0.0
    ack_policy: AckPolicy = AckPolicy.SUCCESS
    delivery: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    fetch_settings: dict[str, str] = field(default_factory=dict)
    broker: str = ""


_RECORD = TypeAdapter(StackRecord)


def write_stack(data: Path, record: StackRecord) -> None:
    """Replace the record in a data directory, which must exist; a reader sees the old or the new one.

    Raises:
        OSError: the file cannot be written.
    """
    replace_private_file(data / NAME, json.dumps(asdict(record)).encode())


def read_stack(data: Path) -> StackRecord | None:
    """Return what the last stack in a data directory has recorded; None if there is no valid record."""
    try:
        with (data / NAME).open("rb") as file:
            return _RECORD.validate_json(file.read(MAX_BYTES))
    except (OSError, ValueError):  # pydantic's ValidationError is a ValueError
        return None


def read_policy(data: Path) -> tuple[AckPolicy, DeliveryPolicy]:
    """Return the policies of the last stack in a data directory; the defaults if there was none."""
    record = read_stack(data)
    return (record.ack_policy, record.delivery) if record else (AckPolicy.SUCCESS, DeliveryPolicy())


def fetch_settings(data: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with which `scrapeq try` requests a page as the local worker would.

    A variable of the environment comes first, then the last stack in the data directory. If there was none,
    the loopback interface is allowed, as `scrapeq up` allows it.
    """
    record = read_stack(data)
    known = record.fetch_settings if record else {"FETCH_ALLOW_NETWORKS": LOOPBACK_NETWORKS}
    return {name: environment.get(name) or known.get(name, "") for name in FETCH_SETTINGS}


def is_running(data: Path) -> bool:
    """Return whether a stack runs in a data directory, or starts or stops there."""
    try:
        with (data / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running_stack(data: Path) -> StackRecord:
    """Return the record of the stack that runs in a data directory.

    Raises:
        StackNotRunningError: no stack runs there, or it is only starting and has no record.
    """
    record = read_stack(data) if is_running(data) else None
    if record is None:
        raise StackNotRunningError(
            f"No `scrapeq up` runs in {data}. Start it with `scrapeq up{data_option(data)}`, or name the "
            f"data directory of another with --data or SCRAPEQ_DATA."
        )
    return record


def data_option(data: Path) -> str:
    """Return the option that names a data directory, after a space; nothing if a command would choose it."""
    chosen = Path(os.environ.get("SCRAPEQ_DATA") or DEFAULT_DATA)
    return "" if data == chosen else f" --data {shlex.quote(str(data))}"


def refuse_second_stack(data: Path) -> None:
    """Return if no stack runs in a data directory.

    Raises:
        UsageError: one runs there; the message names it.
    """
    if is_running(data):
        raise UsageError(_describe_running(data))


@contextmanager
def lock_data_directory(data: Path) -> Iterator[None]:
    """Lock a data directory, because two stacks would corrupt each other's files.

    Raises:
        UsageError: another stack has locked it; the message names that stack.
    """
    with open(data / LOCK, "ab", opener=private_opener) as lock:
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(LOCK_PAUSE_SECONDS)
        else:
            raise UsageError(_describe_running(data))
        yield


def _describe_running(data: Path) -> str:
    record = read_stack(data)
    running = f"process {record.pid}, dispatcher {record.addresses.dispatcher_url}" if record else "it starts"
    return (
        f"{data} is in use by another `scrapeq up` ({running}). Stop it with "
        f"`scrapeq down{data_option(data)}`, or choose another directory with --data."
    )
