"""Opens the SQLite file of a ledger for queries."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

from console.ledger.count_views import make_count_views
from console.ledger.sqlite_views import BUSY_TIMEOUT_SECONDS, layout
from console.ledger.summary_update import open_summary
from console.terminal import ProgressLines

TITLE = "Reading new rows of the ledger"
#: The connections that the current thread keeps open, by the path of the ledger.
_KEPT: ContextVar[Mapping[Path, sqlite3.Connection]] = ContextVar("_KEPT", default=MappingProxyType({}))


def open_file(path: Path, summary: Path, create: Callable[[], None]) -> sqlite3.Connection:
    """Return a connection to a ledger, by which queries read the summary where they can.

    If there can be no summary, for example because the disk is full, the views of the ledger answer the
    queries, which takes longer.

    Args:
        path: path of the ledger.
        summary: path of its summary.
        create: called if another version of Scrapeq has created the ledger; brings its views up to date.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
        is_current = connection.execute("PRAGMA user_version").fetchone() == (layout(),)
    if not is_current:
        create()
    try:
        connection = _open_summary(summary, path)
    except (OSError, sqlite3.OperationalError):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
        make_count_views(connection)
    connection.text_factory = _decode
    return connection


def kept_connection(path: Path) -> sqlite3.Connection | None:
    """Return the connection to a ledger that this thread keeps open; None if it keeps none."""
    return _KEPT.get().get(path)


@contextmanager
def kept_open(
    path: Path, connect: Callable[[], AbstractContextManager[sqlite3.Connection]]
) -> Iterator[None]:
    """Keep a connection to a ledger open, and let its queries see one moment, that of the beginning.

    This is for commands with many queries, since opening a ledger takes as long as a short query. A context
    inside another one sees the moment of the outer one.
    """
    if kept_connection(path) is not None:
        yield
        return
    with connect() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the first read fixes the moment
        token = _KEPT.set({**_KEPT.get(), path: connection})
        try:
            yield
        finally:
            _KEPT.reset(token)


def _open_summary(summary: Path, path: Path) -> sqlite3.Connection:
    """Open the summary; if it is damaged, make it again."""
    show = ProgressLines(TITLE).show
    try:
        return open_summary(summary, path, show)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        for file in summary.parent.glob(f"{summary.name}*"):
            file.unlink()
        return open_summary(summary, path, show)


def _decode(text: bytes) -> str:
    return text.decode(errors="replace")  # a published message may contain invalid UTF-8
