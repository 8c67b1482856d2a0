"""A stand-in of the cloud for the smoke test: the local stack, and the other APIs that the script uses.

The smoke test runs the real gcloud and bq. Pub/Sub is that of the local stack, and BigQuery has the rows of
the stack's ledger.
"""

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import to_sqlite
from console.stack.stack import Stack
from tests.rollout.google_apis import Answer, bigquery_answers

AGENT = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"


def answers(stack: Stack, scheduler: str, ready: Mapping[str, str]) -> list[Answer]:
    """Return the answers to the smoke test's requests.

    Args:
        stack: the local stack.
        scheduler: the member that may call the dispatcher.
        ready: the ready revision of each service, by name. The default is the newest revision, 00002.
    """

    def rows(sql: str, parameters: Mapping[str, str]) -> list[dict[str, str]]:
        return rows_of(Ledger(stack.options.data), sql, parameters)

    def service(name: str) -> dict[str, Any]:
        newest = f"{name}-00002"
        return {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": stack.project},
            "status": {
                "latestCreatedRevisionName": newest,
                "latestReadyRevisionName": ready.get(name, newest),
            },
        }

    binding = {"role": "roles/run.invoker", "members": [scheduler]}
    return [
        *bigquery_answers(rows),
        Answer(
            r"GET run/apis/serving\.knative\.dev/v1/namespaces/[\w-]+/services/[\w-]+",
            lambda request: service(request.path.rpartition("/")[2]),
        ),
        Answer(
            r"GET run/v1/projects/[\w-]+/locations/[\w-]+/services/[\w-]+-dispatcher:getIamPolicy",
            {"bindings": [binding]},
        ),
    ]


def rows_of(ledger: Ledger, sql: str, parameters: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of a query of BigQuery over the tables of a local ledger."""
    hours = r"TIMESTAMP_SUB\(CURRENT_TIMESTAMP\(\), INTERVAL (\d+) HOUR\)"
    sql = re.sub(hours, r"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-\1 hours')", sql)
    local = to_sqlite(re.sub(r"`[\w-]+\.(\w+\.\w+)`", r"`\1`", sql))
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.row_factory = sqlite3.Row
        return [
            {name: str(row[name]) for name in row.keys()}  # noqa: SIM118 - iterating over a Row yields values
            for row in connection.execute(local, parameters)
        ]
