"""Derives the state of changed jobs by the views of the ledger, and adds the differences to the counts."""

import sqlite3
from typing import Final

from console.ledger.sqlite_views import run, table, views
from console.ledger.summary_counts import count_jobs, make_count_tables
from console.ledger.summary_tables import OWN_COLUMNS, ledger_columns
from console.ledger.url_search import add_urls, make_url_tables, remove_changed_urls
from contract.topology import LEDGER_TABLES

JOBS_AT_ONCE: Final = 2000  #: number of jobs whose state one transaction derives
#: The tables whose rows the states of jobs depend on, and the views that derive them.
TABLES: Final = tuple(name for name in LEDGER_TABLES.values() if name != "dispatches")
VIEWS: Final = ("renamed_reasons", "dead_causes", "job_times", "job_state", "results")

_NEXT: Final = """
    SELECT count(*), max(rowid) FROM (SELECT rowid FROM changed ORDER BY rowid LIMIT ?)"""
_PICK: Final = """
    INSERT INTO picked SELECT run_id, job_id FROM changed WHERE rowid <= ?
    UNION
    -- The jobs that replace them or are replaced by them, directly or not.
    SELECT run_id, job_id FROM (
        WITH RECURSIVE linked(run_id, job_id) AS (
            SELECT related.run_id, related.other FROM changed CROSS JOIN related
                ON related.job_id IS changed.job_id AND related.run_id IS changed.run_id
            WHERE changed.rowid <= ?
            UNION
            SELECT related.run_id, related.other FROM linked CROSS JOIN related
                ON related.job_id IS linked.job_id AND related.run_id IS linked.run_id)
        SELECT run_id, job_id FROM linked)"""
_FILL_OUTCOMES: Final = """
    INSERT INTO temp.`${ledger}.outcomes` SELECT {columns}, outcome.rowid
    FROM picked CROSS JOIN warehouse.`${ledger}.outcomes` AS outcome
        ON outcome.run_id IS picked.run_id AND outcome.job_id IS picked.job_id"""
_FILL_TABLE: Final = """
    INSERT INTO temp.`${ledger}.{name}` SELECT found.* FROM picked CROSS JOIN message
        ON message.job_id IS picked.job_id AND message.run_id IS picked.run_id
        AND message.source IN ({sources})
    CROSS JOIN warehouse.`${ledger}.{name}` AS found ON found.rowid = message.source_row"""
#: The last page of a listing that was published, on which the state of its other pages depends.
_FILL_LAST_PAGES: Final = """
    INSERT INTO temp.`${ledger}.jobs` SELECT job.*
    FROM (SELECT DISTINCT run_id, listing FROM temp.`${ledger}.outcomes` WHERE listing <> '') AS listing
    CROSS JOIN warehouse.`${ledger}.jobs` AS job ON job.rowid = (
        SELECT source_row FROM message
        WHERE message.run_id = listing.run_id AND message.listing = listing.listing
        ORDER BY page DESC LIMIT 1)"""
_DERIVE: Final = """
    INSERT INTO fresh
    SELECT job.*, coalesce(request.count, 0), success.source_row, result.attempts, known.rowid,
        CASE WHEN known.result_attempts IS NOT NULL THEN known.success_row END
    FROM temp.`${ledger}.job_state` AS job
    JOIN picked ON picked.job_id IS job.job_id AND picked.run_id IS job.run_id
    LEFT JOIN (
        SELECT message.run_id, message.job_id, count(DISTINCT coalesce(request_id, '')) AS count
        FROM picked CROSS JOIN message
            ON message.job_id IS picked.job_id AND message.run_id IS picked.run_id AND message.source = 'jobs'
        WHERE message.listing IS NULL AND message.replaces IS NULL AND message.job_id IS NOT NULL
        GROUP BY 1, 2
    ) AS request ON request.job_id IS job.job_id AND request.run_id IS job.run_id
    LEFT JOIN (
        SELECT run_id, job_id, source_row, row_number() OVER (
            PARTITION BY run_id, job_id ORDER BY publish_time DESC, message_id DESC, source_row) AS place
        FROM temp.`${ledger}.outcomes` WHERE outcome = 'succeeded'
    ) AS success ON success.job_id IS job.job_id AND success.run_id IS job.run_id AND success.place = 1
    LEFT JOIN temp.`${ledger}.results` AS result
        ON result.job_id IS job.job_id AND result.run_id IS job.run_id
    LEFT JOIN main.`${ledger}.job_state` AS known
        ON known.job_id IS job.job_id AND known.run_id IS job.run_id"""
_UPDATE: Final = """
    UPDATE main.`${ledger}.job_state` AS job SET {assignments} FROM fresh WHERE job.rowid = fresh.known"""
_INSERT: Final = """
    INSERT INTO main.`${ledger}.job_state` SELECT {columns} FROM fresh WHERE known IS NULL"""
_SHOWN_RESULTS: Final = """
    CREATE TEMP VIEW shown_results AS
    SELECT outcome.* FROM shown CROSS JOIN warehouse.`${ledger}.outcomes` AS outcome
        ON outcome.rowid = source_row"""
#: The rows of outcomes that the view results shows no longer, and those that it shows now.
_HIDDEN: Final = """
    INSERT INTO shown SELECT shown_row FROM fresh
    WHERE shown_row IS NOT NULL AND (result_attempts IS NULL OR success_row <> shown_row)"""
_SHOWN: Final = """
    INSERT INTO shown SELECT success_row FROM fresh
    WHERE result_attempts IS NOT NULL AND (shown_row IS NULL OR success_row <> shown_row)"""
_COUNT_FIELDS: Final = """
    INSERT INTO main.`${ledger}.fields`
    SELECT json_array(run_id, recipe, field), run_id, recipe, field, :sign * items, :sign * filled
    FROM new_fields WHERE true
    ON CONFLICT (key) DO UPDATE SET items = items + excluded.items, filled = filled + excluded.filled"""
#: Whether 3 examples of a field are known, as many as the view field_examples shows.
_ENOUGH: Final = """(
    SELECT count(*) >= 3 FROM main.`${ledger}.field_examples` AS known
    WHERE known.run_id IS {table}.run_id AND known.recipe IS {table}.recipe AND known.field IS {table}.field
        AND known.is_filled IS {is_filled})"""
_LACKS_EXAMPLES: Final = """
    SELECT EXISTS (SELECT 1 FROM new_fields AS field
        WHERE (filled > 0 AND NOT {enough_filled}) OR (filled < items AND NOT {enough_empty}))"""
_ADD_EXAMPLES: Final = """
    INSERT INTO main.`${ledger}.field_examples` SELECT * FROM shown_examples AS example WHERE NOT {enough}"""
_DROP_EXAMPLES: Final = """
    DELETE FROM main.`${ledger}.field_examples` WHERE (run_id, job_id) IN (
        SELECT run_id, job_id
        FROM shown CROSS JOIN warehouse.`${ledger}.outcomes` AS outcome ON outcome.rowid = source_row)"""


def make_temporary_tables(connection: sqlite3.Connection) -> None:
    """Make what `derive_jobs` needs; queries of this connection do not read the ledger afterwards."""
    run(connection, "PRAGMA temp_store = MEMORY")
    run(connection, "CREATE TEMP TABLE picked (run_id, job_id)")
    run(connection, "CREATE TEMP TABLE shown (source_row INTEGER)")
    for name in TABLES:
        row = ", 0 AS source_row" if name == "outcomes" else ""
        copy = (
            "CREATE TEMP TABLE `${ledger}.{name}` AS SELECT *{row} FROM warehouse.`${ledger}.{name}` LIMIT 0"
        )
        run(connection, copy, name=name, row=row)
    for name in VIEWS:
        run(connection, f"CREATE TEMP VIEW {table(name)} AS {views()[name]}")
    columns = [*ledger_columns(connection, "job_state"), *OWN_COLUMNS, "known", "shown_row"]
    run(connection, f"CREATE TEMP TABLE fresh ({', '.join(columns)})")
    run(connection, _SHOWN_RESULTS)
    for name, view in (("shown_fields", "fields"), ("shown_examples", "field_examples")):
        query = views()[view].replace("`${ledger}.results`", "shown_results")
        run(connection, f"CREATE TEMP VIEW {name} AS {query}")
    run(connection, "CREATE TEMP TABLE new_fields AS SELECT * FROM shown_fields LIMIT 0")
    make_count_tables(connection)
    make_url_tables(connection)


def derive_jobs(connection: sqlite3.Connection) -> int:
    """Derive the state of the next changed jobs; return their number, or 0 if there are none."""
    [(count, last)] = run(connection, _NEXT, (JOBS_AT_ONCE,))
    if not count:
        return 0
    run(connection, "DELETE FROM picked")
    run(connection, _PICK, (last, last))
    _fill_tables(connection)
    run(connection, "DELETE FROM fresh")
    run(connection, _DERIVE)
    _count_fields(connection, _HIDDEN, -1)
    _count_fields(connection, _SHOWN, 1)
    count_jobs(connection)
    last_row = remove_changed_urls(connection)
    names = [*ledger_columns(connection, "job_state"), *OWN_COLUMNS]
    run(connection, _UPDATE, assignments=", ".join(f"{name} = fresh.{name}" for name in names))
    run(connection, _INSERT, columns=", ".join(names))
    add_urls(connection, last_row)
    run(connection, "DELETE FROM changed WHERE rowid <= ?", (last,))
    return int(count)


def _fill_tables(connection: sqlite3.Connection) -> None:
    """Fill the temporary tables with the rows of the picked jobs, without the items of outcomes."""
    for name in TABLES:
        run(connection, "DELETE FROM temp.`${ledger}.{name}`", name=name)
        if name != "outcomes":
            sources = "'jobs', 'replaced'" if name == "jobs" else f"'{name}'"
            run(connection, _FILL_TABLE, name=name, sources=sources)
    columns = ledger_columns(connection, "outcomes")  # in another order in a file of version 0.1
    listed = ", ".join("NULL" if name == "items" else f"outcome.{name}" for name in columns)
    run(connection, _FILL_OUTCOMES, columns=listed)
    run(connection, _FILL_LAST_PAGES)


def _count_fields(connection: sqlite3.Connection, select: str, sign: int) -> None:
    """Add the fields of some results to the counts, or subtract them, and keep examples of them."""
    run(connection, "DELETE FROM shown")
    if not run(connection, select).rowcount:
        return
    run(connection, "DELETE FROM new_fields")
    run(connection, "INSERT INTO new_fields SELECT * FROM shown_fields")
    run(connection, _COUNT_FIELDS, {"sign": sign})
    if sign < 0:
        run(connection, _DROP_EXAMPLES)
        run(connection, "DELETE FROM main.`${ledger}.fields` WHERE items = 0")
        return
    filled, empty = (_ENOUGH.replace("{is_filled}", is_filled) for is_filled in ("1", "0"))
    lacks = run(connection, _LACKS_EXAMPLES, enough_filled=filled, enough_empty=empty, table="field")
    if lacks.fetchone() == (1,):
        run(connection, _ADD_EXAMPLES, enough=_ENOUGH, table="example", is_filled="example.is_filled")
