"""Tests that only their owner can read the files of a local stack, whatever the umask is."""

from pathlib import Path

import localpubsub.private_files
from console import private_files
from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.servers.private_files import open_all, open_to_others, umask


def test_files_of_a_stack_are_private(tmp_path: Path) -> None:
    """Queue, ledger, logs and policies are private, also if an earlier version left them open to others."""
    data = tmp_path / "data"
    with umask(0):
        with Stack(StackOptions(data=data)):
            assert open_to_others(data) == {}
        open_all(data)
        with Stack(StackOptions(data=data)):
            assert open_to_others(data) == {}


def test_localpubsub_has_the_same_functions() -> None:
    """The console and localpubsub, which do not import each other, have the same functions."""
    names = ("make_private_directory", "make_private_file", "_restrict")
    for name in names:
        own, other = getattr(private_files, name), getattr(localpubsub.private_files, name)
        assert own.__code__.co_code == other.__code__.co_code
