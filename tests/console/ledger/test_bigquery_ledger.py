"""Tests of the ledger in BigQuery, with recorded answers instead of the service."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from console.errors import LedgerError, UsageError
from console.ledger.bigquery_ledger import BigQueryLedger, statement
from console.ledger.ledger import Accounting, Ledger, Result
from console.ledger.open_ledger import open_ledger
from tests.console.command import Scrapeq

ADDRESS = "bigquery://my-project/scrapeq"


class RecordedJob:
    """A query job that has ended.

    Attributes:
        answer: its rows, or the error that it ended with.
    """

    def __init__(self, answer: Sequence[Sequence[object]] | Exception) -> None:
        self.answer = answer

    def result(self, timeout: float) -> Iterator[Sequence[object]]:
        """Return the rows, or raise the error."""
        assert timeout > 0
        if isinstance(self.answer, Exception):
            raise self.answer
        return iter(self.answer)


class RecordedBigQuery:
    """A client that gives recorded answers, one for each query.

    Attributes:
        answers: the answers that it still has; the last one is repeated.
        queries: the statements that it got, with their settings.
    """

    def __init__(self, *answers: Sequence[Sequence[object]] | Exception) -> None:
        self.answers = list(answers)
        self.queries: list[tuple[str, bigquery.QueryJobConfig]] = []

    def query(self, sql: str, job_config: bigquery.QueryJobConfig) -> RecordedJob:
        """Return the next recorded answer as a job."""
        self.queries.append((sql, job_config))
        return RecordedJob(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def made(kind: Any, text: str) -> Exception:  # noqa: ANN401 - the constructors of Google's errors have no types
    """Return an error with a text."""
    error: Exception = kind(text)
    return error


def ledger_with(*answers: Sequence[Sequence[object]] | Exception, days: int = 38) -> BigQueryLedger:
    """Return a ledger whose client gives these answers."""
    return BigQueryLedger(Path(), "my-project.scrapeq", RecordedBigQuery(*answers), days)


def test_query_reads_only_the_days_of_the_ledger_and_is_limited() -> None:
    """A query calls the function of each view with the bound; it has typed parameters and a maximum cost."""
    ledger = ledger_with([(5, 3, 1, 1, 1, 0, 0, 0, 0, 0)], days=8)
    assert ledger.accounting("run-1") == Accounting(5, 3, 1, 1, 1)
    [(sql, config)] = ledger.client.queries
    assert "FROM `my-project.scrapeq.run_accounting_since`(@since) WHERE @p0 IS NULL OR run_id = @p1" in sql
    since, *values = config.query_parameters
    assert datetime.now(UTC) - since.value - timedelta(days=8) < timedelta(minutes=5)
    assert [(each.name, each.type_, each.value) for each in values] == [
        ("p0", "STRING", "run-1"),
        ("p1", "STRING", "run-1"),
    ]
    assert config.maximum_bytes_billed == 100 * 1024**3
    assert config.use_legacy_sql is False


def test_table_is_read_since_a_time_and_a_constant_view_as_it_is() -> None:
    """A table is bounded by a condition; the view that reads no table has no function."""
    query = (
        "SELECT 1 FROM `${ledger}.outcomes` JOIN `${ledger}.renamed_reasons` ON old_reason = reason LIMIT ?"
    )
    assert statement(query, "p.d") == (
        "SELECT 1 FROM (SELECT * FROM `p.d.outcomes` WHERE publish_time >= @since) "
        "JOIN `p.d.renamed_reasons` ON old_reason = reason LIMIT @p0"
    )


def test_times_and_json_are_as_in_sqlite() -> None:
    """A time is a text in UTC, and a JSON value is its text, as the ledger in SQLite has them."""
    at = datetime(2026, 11, 22, 6, 0, 3, 120_000, tzinfo=UTC)
    [result] = ledger_with([("a", "https://x.example/", [{"t": 1}], 2, 1, "", at)]).results("run-1")
    fetched = "2026-11-22T06:00:03.120000Z"
    assert result == Result("a", "https://x.example/", [{"t": 1}], 2, fetched_at=fetched)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (made(DefaultCredentialsError, "none found"), "gcloud auth application-default login"),
        (made(exceptions.NotFound, "Not found: Dataset my-project:scrapeq"), "no dataset my-project.scrapeq"),
        (made(exceptions.Forbidden, "Access Denied"), "roles/bigquery.jobUser"),
        (made(exceptions.Forbidden, "Quota exceeded"), "a quota is used up"),
        (made(exceptions.BadRequest, "Query exceeded limit for bytes billed: 1"), "more than 100 GiB"),
        (made(exceptions.InternalServerError, "backend"), "did not run the query: backend"),
        (made(TimeoutError, "120 s"), "takes too long"),
    ],
)
def test_error_of_the_service_is_a_sentence(error: Exception, sentence: str) -> None:
    """Whatever BigQuery answers, the operator reads what is wrong and what to do."""
    with pytest.raises(LedgerError, match=sentence):
        ledger_with(error).runs()


def test_missing_credentials_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scrapeq: Scrapeq
) -> None:
    """A command whose LEDGER is in BigQuery says how to log in if there are no credentials."""

    def refuse(**_: object) -> None:
        raise made(DefaultCredentialsError, "Your default credentials were not found.")

    monkeypatch.setattr(bigquery, "Client", refuse)
    monkeypatch.setenv("LEDGER", ADDRESS)
    result = scrapeq("runs", "--data", tmp_path)
    assert result.exit_code == 1
    assert "gcloud auth application-default login" in result.stderr
    assert "Traceback" not in result.output


def test_commands_read_the_ledger_that_the_variable_names(
    monkeypatch: pytest.MonkeyPatch, scrapeq: Scrapeq
) -> None:
    """`scrapeq runs` with LEDGER=bigquery://… shows the runs of BigQuery, without a data directory."""
    client = RecordedBigQuery([("books-1", "complete", 3, 3, 0, 0, 0, 0, 0, 0, 0, datetime.now(UTC))], [])
    monkeypatch.setattr(bigquery, "Client", lambda **_: client)
    monkeypatch.setenv("LEDGER", f"{ADDRESS}?days=8")
    result = scrapeq("runs")
    assert result.exit_code == 0, result.output
    assert "books-1" in result.stdout


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://x/y", "names no ledger"),
        ("bigquery://project", "names no dataset"),
        ("bigquery://project/a`b", "names no dataset"),
        ("bigquery://project/scrapeq?days=0", "from 1 to"),
        ("bigquery://project/scrapeq?days=many", "from 1 to"),
        ("bigquery://project/scrapeq?limit=1", "unknown part limit"),
    ],
)
def test_invalid_address_is_a_sentence(tmp_path: Path, address: str, sentence: str) -> None:
    """An invalid LEDGER is reported with what it should be."""
    with pytest.raises(UsageError, match=sentence):
        open_ledger(tmp_path, {"LEDGER": address})


def test_ledger_of_the_data_directory_is_the_default(tmp_path: Path) -> None:
    """Without LEDGER, the ledger is that of the data directory."""
    assert open_ledger(tmp_path, {}) == Ledger(tmp_path)
    assert open_ledger(tmp_path, {"LEDGER": ""}).is_local
    assert not ledger_with([]).is_local
