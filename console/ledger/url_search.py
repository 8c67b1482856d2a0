"""Finds the jobs whose URLs contain a text by an index of trigrams, SQLite's FTS5.

The index has each three successive characters of a URL (https://www.sqlite.org/fts5.html#the_trigram_tokenizer).
It returns the rows whose URLs have all trigrams of the text, in any order; the query itself then compares the
text. An entry is the number of the run followed by that of the row in job_state, so that the rows of one
run are read without those of the others.
"""

import sqlite3
from functools import cache
from typing import Final

from console.ledger.sqlite_views import run

MIN_LENGTH: Final = 3  #: number of characters of a trigram
MAX_TRIGRAMS: Final = 60  #: further trigrams of a text are not searched
#: Maximum number of rows that `rows_with_text` returns. If there are more, the first ones of a page are found
#: faster by reading the jobs in their order.
MAX_ROWS: Final = 10_000
_ROW_BITS: Final = 40  #: number of bits of an entry that are the number of the row
_ENTRY: Final = f"(run_number.number << {_ROW_BITS} | job.rowid)"
#: `detail=none` stores no positions: 56 instead of 148 bytes for a URL of 45 characters.
_DEFINITION: Final = """CREATE VIRTUAL TABLE main.url_index USING
    fts5(url, content='', columnsize=0, detail=none, tokenize='trigram')"""
_NUMBER_RUNS: Final = """
    INSERT INTO run_number (run_id) SELECT DISTINCT run_id FROM fresh WHERE NOT EXISTS (
        SELECT 1 FROM run_number WHERE run_number.run_id IS fresh.run_id)"""
#: Jobs whose URL has become another one, because messages of one job disagree.
_CHANGED: Final = """
    INSERT INTO changed_url SELECT job.rowid
    FROM fresh CROSS JOIN main.`${ledger}.job_state` AS job ON job.rowid = fresh.known
    WHERE job.url IS NOT fresh.url"""
_REMOVE: Final = f"""
    INSERT INTO url_index (url_index, rowid, url)
    SELECT 'delete', {_ENTRY}, job.url
    FROM changed_url CROSS JOIN main.`${{ledger}}.job_state` AS job ON job.rowid = changed_url.job
    CROSS JOIN run_number ON run_number.run_id IS job.run_id
    WHERE job.url IS NOT NULL"""  # noqa: S608 - constants
#: In the order of the entries, because FTS5 writes to the disk when an entry is less than the one before.
_ADD: Final = f"""
    INSERT INTO url_index (rowid, url)
    SELECT {_ENTRY}, job.url FROM (SELECT rowid FROM main.`${{ledger}}.job_state` WHERE rowid > ?
        UNION ALL SELECT job FROM changed_url) AS new
    CROSS JOIN main.`${{ledger}}.job_state` AS job ON job.rowid = new.rowid
    CROSS JOIN run_number ON run_number.run_id IS job.run_id
    WHERE job.url IS NOT NULL ORDER BY 1"""  # noqa: S608 - constants
_SEARCH: Final = f"""
    SELECT rowid & {(1 << _ROW_BITS) - 1} FROM url_index
    WHERE url_index MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"""  # noqa: S608 - constants


@cache
def has_trigrams() -> bool:
    """Return whether Python's SQLite has FTS5 with trigrams: it is an option, and needs SQLite 3.34."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(_DEFINITION)
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def index_definition() -> str:
    """Return the statement that makes the index in the summary; `""` if SQLite cannot make it."""
    return _DEFINITION if has_trigrams() else ""


def make_url_tables(connection: sqlite3.Connection) -> None:
    """Make the temporary table that the next functions need."""
    run(connection, "CREATE TEMP TABLE changed_url (job INTEGER)")


def remove_changed_urls(connection: sqlite3.Connection) -> int:
    """Remove the URLs that jobs in the table `fresh` have no longer; return the last row of job_state.

    This is called before job_state is changed, and `add_urls` afterwards.
    """
    [(last,)] = run(connection, "SELECT coalesce(max(rowid), 0) FROM main.`${ledger}.job_state`")
    if has_trigrams():
        run(connection, _NUMBER_RUNS)
        run(connection, "DELETE FROM changed_url")
        run(connection, _CHANGED)
        run(connection, _REMOVE)
    return int(last)


def add_urls(connection: sqlite3.Connection, last: int) -> None:
    """Add the changed URLs, and those of the rows after `last`."""
    if has_trigrams():
        run(connection, _ADD, (last,))


def rows_with_text(connection: sqlite3.Connection, run_id: str, text: str) -> list[int] | None:
    """Return the rows of job_state whose URLs may contain a text, and those with this job id.

    Args:
        connection: a connection to the ledger.
        run_id: id of the run, or `""` for all runs.
        text: the text, in upper or lower case.

    Returns:
        Numbers of rows. None if the index has no answer: it does not exist, the text is shorter than a
        trigram or contains U+0000, or there are more than `MAX_ROWS` rows.
    """
    part = text.lower()
    if len(part) < MIN_LENGTH or "\0" in part or not _has_index(connection):
        return None
    trigrams = dict.fromkeys(part[place : place + MIN_LENGTH] for place in range(len(part) - MIN_LENGTH + 1))
    quoted = ['"{}"'.format(trigram.replace('"', '""')) for trigram in [*trigrams][:MAX_TRIGRAMS]]
    first, last = 0, (1 << 63) - 1
    if run_id:
        known = run(connection, "SELECT number FROM run_number WHERE run_id = ?", (run_id,)).fetchone()
        first = known[0] << _ROW_BITS if known else last
        last = first + (1 << _ROW_BITS) - 1 if known else last
    rows = [row for (row,) in run(connection, _SEARCH, (" AND ".join(quoted), first, last, MAX_ROWS + 1))]
    if len(rows) > MAX_ROWS:
        return None
    jobs = run(connection, "SELECT rowid FROM main.`${ledger}.job_state` WHERE job_id = ?", (text,))
    return rows + [row for (row,) in jobs]


def _has_index(connection: sqlite3.Connection) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'url_index')"
    return has_trigrams() and connection.execute(query).fetchone() == (1,)
