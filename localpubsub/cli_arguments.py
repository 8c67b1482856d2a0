"""Defines argument types and a help formatter for the command lines of localpubsub."""

import argparse
import os
import re
from collections.abc import Callable
from typing import Final

_HOST_NAME: Final = re.compile(r"[\w-]+(\.[\w-]+)*|\*", re.ASCII)


class HelpFormatter(argparse.HelpFormatter):
    """Formats the help as wide as the terminal, without an import of shutil.

    argparse's default formatter finds the width with shutil, which imports every compression module and so
    takes time and memory at every start.
    """

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=columns - 2)


def add_allowed_host(add: Callable[..., object]) -> None:
    """Add the option ``--allowed-host``; its value is the list ``allowed_hosts``."""
    add(
        "--allowed-host",
        action="append",
        type=host_name,
        default=[],
        dest="allowed_hosts",
        metavar="NAME",
        help="name by which HTTP clients may address the server, in addition to localhost and addresses; can "
        "be repeated; * allows every name, also to web pages (see README.md)",
    )


def host_name(text: str) -> str:
    """Parse a host name without a port, or "*"."""
    if not _HOST_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name: write it without scheme and port")
    return text.lower()


def port(text: str) -> int:
    """Parse a port to listen on; 0 chooses a free port."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port number: it must be from 0 to 65535")
    return number


def at_least_one(text: str) -> int:
    """Parse a number that must be at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: it must be at least 1")
    return number


def non_negative(text: str) -> int:
    """Parse a number that must not be negative."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is too small: it must be at least 0")
    return number
