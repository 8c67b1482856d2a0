"""Defines argument types and a help formatter for the command lines of localpubsub."""

import argparse
import os


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
