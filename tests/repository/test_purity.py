"""Tests that pure modules use no network, file system, process, environment variable or clock.

A module must be pure if its docstring contains `Pure.` or `Pure:`, if it is in contract/, or if it is listed
here.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.repository.tree import PACKAGES, ROOT, imports, parsed, shown, sources

# Folders and files of localpubsub that must be pure: their functions get the time and their input data as
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
# Imports of these packages are allowed, because pure code uses only their message types, which do no I/O.
ALLOWED_PACKAGES = ("google.protobuf", "google.pubsub_v1")
IMPURE_MODULES = {
    "aiohttp", "asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "flask", "functions_framework",
    "gevent", "getpass", "glob", "google", "grpc", "gunicorn", "http", "locale", "mmap",
    "multiprocessing",
    "os", "platform", "queue", "random", "requests", "resource", "sched", "secrets", "select",
    "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl",
    "subprocess", "tempfile", "threading", "urllib3", "uuid", "uvloop",
    "logging.config", "logging.handlers", "urllib.error", "urllib.request",
}  # fmt: skip
# Pure code may use pathlib and sys, for example to build command lines, except in these two packages.
STRICT_PACKAGES = {"contract", "localpubsub"}
IMPURE_IN_STRICT_PACKAGES = {"pathlib", "sys"}
IMPURE_CALLS = {
    "breakpoint", "input", "io.open", "open", "print",
    "date.today", "datetime.now", "datetime.today", "datetime.utcnow",
    "time.localtime", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep", "time.time",
    "time.time_ns", "logging.basicConfig", "logging.getLogger",
}  # fmt: skip


def pure_files() -> list[Path]:
    """Return all of contract/, the listed files of localpubsub, and each module that is declared pure."""
    declared = [path for path in sources(*PACKAGES) if is_declared_pure(path)]
    folders = sources(*(f"localpubsub/{name}" for name in LOCALPUBSUB_FOLDERS))
    files = [ROOT / "localpubsub" / f"{name}.py" for name in LOCALPUBSUB_FILES]
    return sorted({*sources("contract"), *declared, *folders, *files})


def is_declared_pure(path: Path) -> bool:
    """Return whether a module's docstring contains `Pure.` or `Pure:`."""
    try:
        docstring = ast.get_docstring(parsed(path)) or ""
    except SyntaxError:
        return False  # a syntax error must fail that file's own tests, not the collection of all tests
    return "Pure." in docstring.replace(":", ".").split()


def impure_uses(tree: ast.AST, more: Iterable[str] = ()) -> list[str]:
    """Return the impure imports and calls in a syntax tree; modules in `more` are impure, too."""
    found = []
    impure = IMPURE_MODULES.union(more)
    for name, line, _ in imports(tree):
        parts = name.split(".")
        prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        is_allowed = any(name == package or name.startswith(f"{package}.") for package in ALLOWED_PACKAGES)
        if prefixes & impure and not is_allowed:
            found.append(f"line {line}: import {name}")
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in IMPURE_CALLS or ".".join(called.split(".")[-2:]) in IMPURE_CALLS:
            found.append(f"line {node.lineno}: {called}()" if isinstance(node, ast.Call) else called)
    return found


def test_pure_modules_do_not_import_or_call_impure_code() -> None:
    """Pure modules have no side effects, so they can be tested without mocks or fixtures."""
    pure = pure_files()
    missing = [shown(path) for path in pure if not path.is_file()]
    assert missing == [], "these files are listed as pure but do not exist (deleted or renamed?)"
    assert all(sources(f"localpubsub/{name}") for name in LOCALPUBSUB_FOLDERS), "a listed folder has no files"
    used = {}
    for path in pure:
        is_strict = path.relative_to(ROOT).parts[0] in STRICT_PACKAGES
        used[shown(path)] = impure_uses(parsed(path), IMPURE_IN_STRICT_PACKAGES if is_strict else ())
    assert {path: found for path, found in used.items() if found} == {}


def imported_files(path: Path) -> set[Path]:
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


def test_pure_modules_do_not_import_impure_modules_indirectly() -> None:
    """No pure module imports an impure one, directly or indirectly. Modules of the console are exempt."""
    cached_uses = cache(lambda file: impure_uses(parsed(file)))
    used = [
        f"{shown(path)} by {shown(file)}: {found}"
        for path in pure_files()
        if "console" not in path.parts
        for file in imported_files(path)
        if (found := cached_uses(file))
    ]
    assert used == []


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
def test_impure_code_is_detected(source: str) -> None:
    """The check reports each of these sources as impure."""
    assert impure_uses(ast.parse(source))


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
def test_pure_code_is_accepted(source: str) -> None:
    """Uses of log levels, URL parsers, protobuf messages and time conversions are accepted as pure."""
    assert impure_uses(ast.parse(source)) == []
