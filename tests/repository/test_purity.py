"""Files that are called pure use no network, file, process, environment or clock."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.repository.tree import PACKAGES, ROOT, imports, parsed, shown, sources

# The rules of the broker: folders and files of localpubsub whose functions take the time and the bytes as
# arguments.
LOCALPUBSUB_FOLDERS = ("backlog", "resources")
LOCALPUBSUB_FILES = (
    "broker/message_cache",
    "errors",
    "protocol/json_text",
    "protocol/messages",
    "push/backoff",
    "push/envelope",
    "push/http_response",
    "push/unwrapped",
    "push/window",
    "storage/transaction",
)
# google.protobuf and google.pubsub_v1.types are data: what crosses a wire, not a wire.
DATA = ("google.protobuf", "google.pubsub_v1")
EFFECTS = {
    "aiohttp", "asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "flask", "functions_framework",
    "gevent", "getpass", "glob", "google", "grpc", "gunicorn", "http", "locale", "mmap",
    "multiprocessing",
    "os", "platform", "queue", "random", "requests", "resource", "sched", "secrets", "select",
    "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl",
    "subprocess", "tempfile", "threading", "urllib3", "uuid", "uvloop",
    "logging.config", "logging.handlers", "urllib.error", "urllib.request",
}  # fmt: skip
# A path or the interpreter's name is a value where commands are put together; the core needs neither.
CORE = {"contract", "localpubsub"}
NEARLY_VALUES = {"pathlib", "sys"}
CALLS = {
    "breakpoint", "input", "io.open", "open", "print",
    "date.today", "datetime.now", "datetime.today", "datetime.utcnow",
    "time.localtime", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep", "time.time",
    "time.time_ns", "logging.basicConfig", "logging.getLogger",
}  # fmt: skip


def pure_files() -> list[Path]:
    """Return the pure files: the contract, localpubsub's rules, and files whose docstring says so."""
    declared = [path for path in sources(*PACKAGES) if says_pure(path)]
    folders = sources(*(f"localpubsub/{name}" for name in LOCALPUBSUB_FOLDERS))
    files = [ROOT / "localpubsub" / f"{name}.py" for name in LOCALPUBSUB_FILES]
    return sorted({*sources("contract"), *declared, *folders, *files})


def says_pure(path: Path) -> bool:
    """Return whether a module's docstring calls it pure: `… Pure.` or `Pure: …`."""
    try:
        docstring = ast.get_docstring(parsed(path)) or ""
    except SyntaxError:
        return False  # one broken file is for its own tests to report, not for the collection of all
    return "Pure." in docstring.replace(":", ".").split()


def effects(tree: ast.AST, more: Iterable[str] = ()) -> list[str]:
    """Return the effects that a syntax tree uses; modules in `more` count as effects, too."""
    found = []
    outside = EFFECTS.union(more)
    for name, line, _ in imports(tree):
        parts = name.split(".")
        prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        if prefixes & outside and not any(data == name or name.startswith(f"{data}.") for data in DATA):
            found.append(f"line {line}: import {name}")
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in CALLS or ".".join(called.split(".")[-2:]) in CALLS:
            found.append(f"line {node.lineno}: {called}()" if isinstance(node, ast.Call) else called)
    return found


def test_a_pure_file_reaches_for_nothing_outside() -> None:
    """A pure file uses no effect, so a test needs nothing but values."""
    pure = pure_files()
    assert [shown(path) for path in pure if not path.is_file()] == [], "listed as pure, and gone or renamed"
    assert all(sources(f"localpubsub/{name}") for name in LOCALPUBSUB_FOLDERS), "a listed folder has no files"
    reached = {
        shown(path): effects(parsed(path), NEARLY_VALUES if path.relative_to(ROOT).parts[0] in CORE else ())
        for path in pure
    }
    assert {path: found for path, found in reached.items() if found} == {}


def neighbours(path: Path) -> set[Path]:
    """Return the files of the repository that a file imports, directly or indirectly."""
    found, new = set[Path](), {path}
    while new:
        found |= new
        modules = {
            name for file in new for name, _, _ in imports(parsed(file)) if name.split(".")[0] in PACKAGES
        }
        files = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in modules}
        new = {file for file in files if file.is_file()} - found
    return found - {path}


def test_a_pure_file_reaches_for_nothing_through_others() -> None:
    """A pure file imports no file with effects, except the listed ones of the console."""
    effective = cache(lambda file: effects(parsed(file)))
    reached = [
        f"{shown(path)} by {shown(file)}: {found}"
        for path in pure_files()
        if "console" not in path.parts
        for file in neighbours(path)
        if (found := effective(file))
    ]
    assert reached == []


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import os.path",
        "from google.cloud import pubsub_v1",
        "from urllib.request import urlopen",
        "from logging.handlers import SocketHandler",
        "def f():\n    import asyncio",
        "from datetime import datetime, UTC\nx = datetime.now(UTC)",
        "import datetime\nx = datetime.datetime.now()",
        "import time\ntime.sleep(1)",
        "x = open('a')",
    ],
)
def test_an_effect_is_seen(source: str) -> None:
    """The check itself can fail."""
    assert effects(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "import logging\nx = logging.INFO",
        "from urllib.parse import urlsplit",
        "from google.protobuf.timestamp_pb2 import Timestamp",
        "from google.pubsub_v1 import types",
        "import time\nx = time.gmtime(0)",
        "from datetime import datetime\nx = datetime.fromisoformat('2026-11-22')",
    ],
)
def test_values_are_no_effects(source: str) -> None:
    """Log levels, parsers, protobuf messages and times that are passed in are not effects."""
    assert effects(ast.parse(source)) == []
