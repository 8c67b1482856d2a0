"""Runs commands of `scrapeq`, and requests of its page, against a deployment; a program of the tests.

Google's own clients connect over TLS with credentials. Instead of Pub/Sub there is the server that PUBSUB
names, and instead of BigQuery the ledger in the data directory that LEDGER_DATA names. Each argument is JSON:
the words of a command, or `["GET", path]`, or `["POST", path, form]`. The program prints JSON: for each
argument the exit status or HTTP status, and the text.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.cloud import bigquery
from typer.testing import CliRunner

from console.cli.commands import app
from console.ledger.ledger import Ledger
from console.stack import pubsub_connection
from console.web.app import create_app
from console.web.options import ConsoleOptions
from tests.servers.waiting import wait_until


class SqliteBigQuery:
    """Runs the queries of a client of BigQuery on the ledger of a data directory."""

    def __init__(self, **_: object) -> None:
        self._ledger = Ledger(Path(os.environ["LEDGER_DATA"]))

    def query(self, sql: str, job_config: bigquery.QueryJobConfig) -> "SqliteBigQuery":
        """Start a query."""
        for pattern in (
            r"\(SELECT \* FROM `[\w.-]+\.(\w+)` WHERE publish_time >= @since\)",
            r"`[\w.-]+\.(\w+)_since`\(@since\)",
            r"`scrapeq-local\.scrapeq\.(\w+)`",
        ):
            sql = re.sub(pattern, r"`${ledger}.\1`", sql)
        self._sql = re.sub(r"@p[0-9]+", "?", sql)
        self._values = [each.value for each in job_config.query_parameters if each.name != "since"]
        return self

    def result(self, timeout: float) -> Iterator[Any]:
        """Return the rows."""
        assert timeout > 0
        return iter(self._ledger.rows(self._sql, *self._values))


def run(words: list[Any]) -> tuple[int, str]:
    """Run a command or a request."""
    if words[0] not in {"GET", "POST"}:
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.output + (repr(done.exception) if done.exit_code == 1 else "")
    page = create_app(ConsoleOptions(Path("none")))
    client = page.test_client()
    if words[0] == "GET":
        response = client.get(words[1])
        return response.status_code, response.text
    with client.session_transaction() as session:
        session["csrf"] = "token"
    response = client.post(words[1], data={"csrf_token": "token", **words[2]})
    acts = page.extensions["acts"]
    wait_until(lambda: all(act.state != "running" for act in acts.newest), "the act has ended")
    return response.status_code, "\n".join(f"{act.state}: {act.text}" for act in acts.newest)


if __name__ == "__main__":
    setattr(pubsub_connection, "GOOGLE", os.environ["PUBSUB"])  # noqa: B010 - it is a constant
    setattr(bigquery, "Client", SqliteBigQuery)  # noqa: B010 - it is a class of another package
    json.dump([run(json.loads(argument)) for argument in sys.argv[1:]], sys.stdout)
