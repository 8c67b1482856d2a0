"""Tests that a stack is found from what it has recorded in its data directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from console.errors import StackNotRunningError, UsageError
from console.stack.addresses import Addresses
from console.stack.services import AckPolicy, DeliveryPolicy
from console.stack.stack_file import (
    NAME,
    StackRecord,
    data_option,
    is_running,
    lock_data_directory,
    read_policy,
    read_stack,
    refuse_second_stack,
    running_stack,
    write_stack,
)
from tests.console.full_disk import limited_file_size

ADDRESSES = Addresses("127.0.0.1:1", *(f"http://127.0.0.1:{port}" for port in (2, 3, 4)))
RECORD = StackRecord(
    7, ADDRESSES, True, 12.5, AckPolicy.SETTLED, DeliveryPolicy(60, 7, 3, 44), {"FETCH_REFUSE_PORTS": "1"}
)


def test_record_of_the_last_stack_is_read(tmp_path: Path) -> None:
    """The record is the last one that was written; only its owner can read the file."""
    write_stack(tmp_path, StackRecord(6, ADDRESSES))
    write_stack(tmp_path, RECORD)
    assert read_stack(tmp_path) == RECORD
    assert read_policy(tmp_path) == (RECORD.ack_policy, RECORD.delivery)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"pid": "x", "addresses": {}}', "\xff"])
def test_defaults_are_used_without_a_valid_record(tmp_path: Path, text: str | None) -> None:
    """Without a file, or if it cannot be read, the policies are the defaults of `scrapeq up`."""
    if text is not None:
        (tmp_path / NAME).write_text(text, encoding="latin-1")
    assert read_stack(tmp_path) is None
    assert read_policy(tmp_path) == (AckPolicy.SUCCESS, DeliveryPolicy())


def test_record_that_cannot_be_written_keeps_the_old_one(tmp_path: Path) -> None:
    """If the new record cannot be written, as on a full disk, the old one stays, and no part of the new."""
    write_stack(tmp_path, RECORD)
    with limited_file_size(10), pytest.raises(OSError, match="File too large"):
        write_stack(tmp_path, StackRecord(8, ADDRESSES))
    assert read_stack(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_stack_runs_while_its_process_locks_the_data_directory(tmp_path: Path) -> None:
    """A record alone is no running stack; while the directory is locked, its addresses are returned."""
    write_stack(tmp_path, RECORD)
    with pytest.raises(StackNotRunningError, match=f"No `scrapeq up` runs in {tmp_path}"):
        running_stack(tmp_path)
    with lock_data_directory(tmp_path):
        assert running_stack(tmp_path) == RECORD
    assert not is_running(tmp_path)


def test_second_stack_in_a_data_directory_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    """The message has the process and the dispatcher of the running stack, and the command that stops it."""
    write_stack(tmp_path, RECORD)
    refuse_second_stack(tmp_path)
    with lock_data_directory(tmp_path):
        with pytest.raises(UsageError, match=r"\(process 7, dispatcher http://127.0.0.1:3\).*`scrapeq down"):
            refuse_second_stack(tmp_path)
        with (
            pytest.raises(UsageError, match="is in use by another `scrapeq up`"),
            lock_data_directory(tmp_path),
        ):
            pass


def test_killed_process_leaves_no_running_stack(tmp_path: Path) -> None:
    """After SIGKILL of the process that has locked the directory, no stack runs in it."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from console.stack.stack_file import lock_data_directory\n"
        "with lock_data_directory(Path(sys.argv[1])): print('locked', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        assert is_running(tmp_path)
        process.kill()
        process.wait()
    assert not is_running(tmp_path)


def test_data_option_is_omitted_where_a_command_finds_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is empty for the directory that a command without --data uses."""
    monkeypatch.delenv("SCRAPEQ_DATA", raising=False)
    assert data_option(Path(".scrapeq")) == ""
    assert data_option(Path("a b")) == " --data 'a b'"
    monkeypatch.setenv("SCRAPEQ_DATA", "a b")
    assert data_option(Path("a b")) == ""
    assert data_option(Path(".scrapeq")) == " --data .scrapeq"
