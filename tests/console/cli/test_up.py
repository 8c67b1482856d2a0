"""Tests what `scrapeq up` prints about a running stack."""

from pathlib import Path

from console.cli.up import address_lines
from console.stack.services import Addresses, StackOptions
from console.stack.stack import Stack


def test_up_prints_the_address_of_the_state_page(tmp_path: Path) -> None:
    """One line has the URL of localpubsub's state page, which shows each subscription's backlog."""
    stack = Stack(StackOptions(data=tmp_path))
    stack.addresses = Addresses(
        "127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4"
    )
    assert "  state page  http://127.0.0.1:2/" in address_lines(stack)
