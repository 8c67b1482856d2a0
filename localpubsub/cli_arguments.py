"""Kinds of arguments of the commands."""

import argparse
import os


class HelpFormatter(argparse.HelpFormatter):
    """Help as wide as the terminal. Argparse's own asks shutil, which imports every compression there is."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=columns - 2)


def port(text: str) -> int:
    """A port to listen on; 0 takes a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return number


def at_least_one(text: str) -> int:
    """A number of things of which there must be one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: at least 1")
    return number
