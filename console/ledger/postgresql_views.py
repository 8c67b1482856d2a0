"""Creates the ledger's tables and views in PostgreSQL, from the same files as in BigQuery (contract/ledger/).

`scrapeq ledger` writes the rows. Tables and views are in the schema `scrapeq`, and functions that do what
PostgreSQL 15 cannot do in an expression, such as a cast that returns NULL if it fails.
"""

import re
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final

from console.ledger.count_views import COUNT_VIEWS
from console.ledger.sqlite_views import schema, views
from contract.topology import (
    LEDGER_DATASET,
    LEDGER_TABLES,
    REJECTED_TABLE,
)

#: Maps column types of BigQuery to column types of PostgreSQL. Texts are compared by their code points, as in
#: BigQuery and SQLite. JSON keeps the text, and with it the order of the fields.
POSTGRESQL_TYPES: Final = {
    "STRING": 'text COLLATE "C"',
    "INTEGER": "bigint",
    "FLOAT": "double precision",
    "TIMESTAMP": "timestamptz",
    "BYTES": "bytea",
    "JSON": "json",
}
#: Regular expressions of BigQuery's SQL, and what replaces them, in this order.
POSTGRESQL_EXPRESSIONS: Final = {
    r"`\$\{ledger\}\.(\w+)`": rf"{LEDGER_DATASET}.\1",
    r"SAFE\.PARSE_JSON\(SAFE_CONVERT_BYTES_TO_STRING\(data\)\)": f"{LEDGER_DATASET}.parsed_json(data)",
    r"SAFE_CAST\((.*?) AS (INT64|FLOAT64|TIMESTAMP)\)": rf"{LEDGER_DATASET}.safe_\2(\1)",
    # The collation of an argument is that of the function's result.
    r"(JSON_VALUE|JSON_QUERY)\(": rf"{LEDGER_DATASET}.\1(",
    r"('\$\.[\w.]+')\)": r'\1 COLLATE "C")',
    # The items of a result, and the fields of an item; an item that is no object has none.
    r"UNNEST\(JSON_QUERY_ARRAY\(result\.items\)\) AS item": (
        "json_array_elements(CASE json_typeof(result.items) WHEN 'array' THEN result.items ELSE '[]' END) "
        "AS item(item)"
    ),
    r"UNNEST\(JSON_KEYS\(item, 1\)\) AS name": (
        "json_object_keys(CASE json_typeof(item) WHEN 'object' THEN item ELSE '{}' END) AS name(name)"
    ),
    r"TO_JSON_STRING\(item\[TRIM\(name, '\"'\)\]\)": (
        f'{LEDGER_DATASET}.to_json_string(item -> name) COLLATE "C"'
    ),
    r"TRIM\(name, '\"'\)": 'name COLLATE "C"',
    r"TO_JSON_STRING\((\w+)\)": r"\1::text",
    r"DIV\(UNIX_SECONDS\((\w+)\), \?\)": r"(floor(extract(epoch FROM \1))::bigint / ?)",
    r"UNIX_SECONDS\((\w+)\)": r"floor(extract(epoch FROM \1))::bigint",
    r"TIMESTAMP_SUB\(CURRENT_TIMESTAMP\(\), INTERVAL 7 DAY\)": "(CURRENT_TIMESTAMP - INTERVAL '7 days')",
    r" AS TIMESTAMP\)": " AS timestamptz)",
    r" AS INT64\)": " AS bigint)",
    r" AS STRING\)": " AS text)",
    r" DESC\b": " DESC NULLS LAST",
}
#: A function returns NULL if a text has another form than it needs.
FUNCTIONS: Final = f"""
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.json_value(document json, path text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT document #>> string_to_array(substr(path, 3), '.') $$;
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.json_query(document json, path text) RETURNS json
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT document #> string_to_array(substr(path, 3), '.') $$;
    -- A text without the escapes that it need not have.
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.to_json_string(document json) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT CASE json_typeof(document) WHEN 'string' THEN to_json(document #>> '{{}}')::text
                     ELSE document::text END $$;
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.safe_int64(value text) RETURNS bigint
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT CASE WHEN value ~ '^[+-]?[0-9]{{1,18}}$' THEN value::bigint END $$;
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.safe_float64(value text) RETURNS double precision
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT CASE WHEN value ~ '^[+-]?[0-9]{{1,99}}([.][0-9]{{1,99}})?(e[+-]?[0-9]{{1,2}})?$'
                          THEN value::double precision END $$;
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.safe_timestamp(value text) RETURNS timestamptz
        LANGUAGE plpgsql STABLE PARALLEL SAFE
        AS $$ BEGIN RETURN value::timestamptz; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;
    -- jsonb refuses what no text can contain; U+0000 is replaced first.
    CREATE OR REPLACE FUNCTION {LEDGER_DATASET}.parsed_json(data bytea) RETURNS json
        LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
        AS $$ DECLARE content text;
        BEGIN
            content := replace(convert_from(data, 'UTF8'), '\\u0000', '\\ufffd');
            PERFORM content::jsonb;
            RETURN content::json;
        EXCEPTION WHEN data_exception THEN RETURN NULL;
        END $$;
"""
_RUN: Final = """({ledger}.json_value(attributes, '$.run_id' COLLATE "C"))""".replace(
    "{ledger}", LEDGER_DATASET
)
#: The indexes, by name: their tables and what follows the table.
INDEXES: Final = {
    "outcomes_of_jobs": ("outcomes", "(run_id, job_id)"),
    "jobs_of_runs": ("jobs", _RUN),
    "dead_letters_of_runs": ("dead_letters", _RUN),
}
_VIEW_NAME: Final = re.compile(r"`\$\{ledger\}\.(\w+)`")


@cache
def to_postgresql(query: str) -> str:
    """Translate a query from BigQuery's SQL to PostgreSQL's."""
    for bigquery, postgresql in POSTGRESQL_EXPRESSIONS.items():
        query = re.sub(bigquery, postgresql, query, flags=re.DOTALL)
    return query


@cache
def layout() -> int:
    """Return a number that identifies this version's tables and views."""
    return zlib.crc32("".join(statements()).encode())


def statements() -> Iterator[str]:
    """Yield the statements that create the ledger, or bring one of another version up to date."""
    yield f"CREATE SCHEMA IF NOT EXISTS {LEDGER_DATASET}"
    tables = (*LEDGER_TABLES.values(), REJECTED_TABLE)
    for name in tables:
        yield f"CREATE TABLE IF NOT EXISTS {LEDGER_DATASET}.{name} ()"
        for column in schema(name):
            type_ = POSTGRESQL_TYPES[column["type"]]
            yield f"ALTER TABLE {LEDGER_DATASET}.{name} ADD COLUMN IF NOT EXISTS {column['name']} {type_}"
        yield (
            f"CREATE UNIQUE INDEX IF NOT EXISTS {name}_once ON {LEDGER_DATASET}.{name} "
            "(subscription_name, message_id)"
        )
    yield FUNCTIONS
    for name, (table, definition) in INDEXES.items():
        yield f"CREATE INDEX IF NOT EXISTS {name} ON {LEDGER_DATASET}.{table} {definition}"
    found = views() | COUNT_VIEWS
    names = ", ".join(f"{LEDGER_DATASET}.{name}" for name in found)
    yield f"DROP VIEW IF EXISTS {names}"
    for name in _in_order(found):
        yield f"CREATE VIEW {LEDGER_DATASET}.{name} AS {to_postgresql(found[name])}"


def _in_order(found: dict[str, str]) -> Iterator[str]:
    """Yield the names of views, each after the views that it reads."""
    waiting = dict(found)
    while waiting:
        ready = [
            name for name, query in waiting.items() if not waiting.keys() & set(_VIEW_NAME.findall(query))
        ]
        yield from ready
        for name in ready:
            del waiting[name]
