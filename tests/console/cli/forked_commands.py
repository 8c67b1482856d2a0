"""Runs commands of `scrapeq` in forks of one process, which imports it only once; a program of the tests.

Its arguments are how standard output is opened (`file`, `full`, `closed`), a user id or -1, and JSON with a
list of arguments for each command. It prints JSON: for each command the exit status, and what was written to
standard output and standard error.
"""

import json
import os
import sys
import tempfile
from importlib import import_module
from pkgutil import walk_packages

import console
from console.cli.commands import app


def run(command: list[str], output: str, user: int) -> tuple[int, str, str]:
    """Run a command in a fork; return its exit status, its output and its errors."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _run_here(command, output, user, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("latin-1"))
        return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def _run_here(command: list[str], output: str, user: int, out: int, err: int) -> None:
    if output == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    elif output == "closed":
        reader, out = os.pipe()
        os.close(reader)
    os.dup2(out, 1)
    os.dup2(err, 2)
    if user >= 0:
        os.setuid(user)
    status = 70  # the command ended without SystemExit
    try:
        app(command, prog_name="scrapeq")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - the traceback is what the tests look for
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = 120  # the exit status of Python in this case
    os._exit(status)


if __name__ == "__main__":
    for module in walk_packages(console.__path__, "console."):  # another user may not read the installation
        if not module.name.endswith("__main__"):
            import_module(module.name)
    results = [run(command, sys.argv[1], int(sys.argv[2])) for command in json.loads(sys.argv[3])]
    json.dump(results, sys.stdout)
