"""Queries the ledger of a deployment in BigQuery, with the queries that the console runs on SQLite.

Untried on the service: its tests use recorded answers, and Google's analyzer accepts each query.
"""

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from console.errors import LedgerError
from console.ledger.bigquery_address import (
    DEFAULT_DAYS,
    DEFAULT_MAX_GIB,
    SYNTAX,
    read_bigquery_address,
)
from console.ledger.count_views import inline_counts
from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import views
from contract.topology import LEDGER_TABLES

QUERY_SECONDS: Final = 120.0  #: maximum time of one query
_TYPES: Final = {bool: "BOOL", int: "INT64", float: "FLOAT64", datetime: "TIMESTAMP"}
_NAME: Final = re.compile(r"`\$\{ledger\}\.(\w+)`")


@dataclass(frozen=True)
class BigQueryLedger(Ledger):
    """A ledger in BigQuery. It is only read.

    Attributes:
        dataset: `PROJECT.DATASET`.
        client: a client of BigQuery, or an object with its method `query`.
        days: number of days that are read: rows that were published before do not count.
        max_gib: maximum number of GiB that BigQuery may bill for one query; a query that needs more fails
            without being billed.
    """

    is_local: ClassVar[bool] = False
    is_file: ClassVar[bool] = False
    dataset: str = ""
    client: Any = field(default=None, repr=False)
    days: int = DEFAULT_DAYS
    max_gib: int = DEFAULT_MAX_GIB

    def create(self) -> None:
        """Raise LedgerError: Terraform creates the dataset."""
        raise LedgerError(f"The ledger {self.dataset} is created by `terraform apply`.")

    def snapshot(self) -> AbstractContextManager[None]:
        """Do nothing: each query sees the moment at which BigQuery runs it."""
        return nullcontext()

    def rows_with_text(self, run_id: str, text: str) -> list[int] | None:  # noqa: ARG002 - as in Ledger
        """Return None: BigQuery has no index of the URLs, so each query compares them."""
        return None

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query in BigQuery's SQL; `${ledger}` is the dataset and `?` a value."""
        return list(self.stream(query, *values))

    def stream(self, query: str, *values: Any) -> Iterator[Any]:  # noqa: ANN401 - the types of parameters
        """Yield the rows of a query as `rows` does, but read them one by one."""
        since = datetime.now(UTC) - timedelta(days=self.days)
        parameters = [bigquery.ScalarQueryParameter("since", "TIMESTAMP", since)]
        parameters += [
            bigquery.ScalarQueryParameter(f"p{number}", parameter_type(value), value)
            for number, value in enumerate(values)
        ]
        config = bigquery.QueryJobConfig(
            query_parameters=parameters, maximum_bytes_billed=self.max_gib * 1024**3, use_legacy_sql=False
        )
        with self._reported_errors():
            job = self.client.query(statement(query, self.dataset), job_config=config)
            for row in job.result(timeout=QUERY_SECONDS):
                yield tuple(map(_value, row))

    @contextmanager
    def _reported_errors(self) -> Iterator[None]:
        """Raise LedgerError with a sentence that says what to do."""
        try:
            yield
        except GoogleAuthError as error:
            raise LedgerError(
                "There are no credentials for BigQuery: run `gcloud auth application-default login`, or set "
                f"GOOGLE_APPLICATION_CREDENTIALS ({error})."
            ) from error
        except exceptions.NotFound as error:
            raise LedgerError(
                f"BigQuery has no dataset {self.dataset}, or not its tables and views of this version: "
                f"compare LEDGER with `terraform output`, or apply this version ({error.message})."
            ) from error
        except exceptions.Forbidden as error:
            raise LedgerError(
                f"You may not query {self.dataset}, or a quota is used up. You need roles/bigquery.jobUser "
                f"in the project and roles/bigquery.dataViewer on the dataset ({error.message})."
            ) from error
        except exceptions.GoogleAPICallError as error:
            raise LedgerError(self._failure(str(error.message))) from error
        except (exceptions.RetryError, TimeoutError, ConnectionError) as error:
            raise LedgerError(f"BigQuery cannot be reached, or takes too long: {error}.") from error

    def _failure(self, message: str) -> str:
        if "bytes billed" in message.lower():
            return (
                f"The query would read more than {self.max_gib} GiB, so BigQuery did not run it: read "
                f"fewer than {self.days} days or allow more, LEDGER={SYNTAX} ({message})."
            )
        return f"BigQuery did not run the query: {message}."


def bigquery_ledger(address: str) -> BigQueryLedger:
    """Return the ledger at an address of the form `SYNTAX`.

    Raises:
        UsageError: the address is invalid.
        LedgerError: there are no credentials.
    """
    project, dataset, days, max_gib, _ = read_bigquery_address(address)
    ledger = BigQueryLedger(Path(), f"{project}.{dataset}", None, days, max_gib)
    with ledger._reported_errors():  # noqa: SLF001 - the client reads the credentials
        client = bigquery.Client(project=project)
    return BigQueryLedger(Path(), ledger.dataset, client, days, max_gib)


def parameter_type(value: object) -> str:
    """Return the type of a parameter with this value; that of None is a text."""
    return _TYPES.get(type(value), "STRING")


@cache
def statement(query: str, dataset: str) -> str:
    """Return a query of the console as BigQuery runs it: only rows since `@since` are read.

    A view is replaced by its function `VIEW_since`, and a table by its rows of that time. Each `?` is
    replaced by a named parameter `@p0`, `@p1` and so on, because BigQuery does not mix these with
    positional ones.
    """

    def bounded(found: re.Match[str]) -> str:
        name = found[1]
        if name in LEDGER_TABLES.values():
            return f"(SELECT * FROM `{dataset}.{name}` WHERE publish_time >= @since)"  # noqa: S608 - names
        if "`${ledger}." not in views()[name]:
            return f"`{dataset}.{name}`"  # it reads no table
        return f"`{dataset}.{name}_since`(@since)"

    places = iter(range(query.count("?")))
    return re.sub(r"\?", lambda _: f"@p{next(places)}", _NAME.sub(bounded, inline_counts(query)))


def _value(value: object) -> object:
    """Return a value as the ledger in SQLite has it: times as texts, arrays and objects as JSON."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value
