"""Queries the dead letters: those that are waiting for the operator, and those that are out of date."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from console.ledger.ledger import Ledger
from contract.outcome import Cause, Reason

#: Stands for the reason of a dead letter of which no attempt left an outcome.
NO_OUTCOME: Final = "no_outcome"
#: One row for each message of the dead-letter topic; `place` 1 is the newest of its job. An interrupted
#: replay may leave older ones. Messages without a run id or a job id belong to no job, so each has place 1.
_LETTERS: Final = """
    SELECT message_id, run_id, job_id, url, crawl, host, recipe, deliveries, dead_at,
        row_number() OVER (
            PARTITION BY coalesce(run_id, ''), coalesce(job_id, message_id)
            ORDER BY dead_at DESC, message_id DESC
        ) AS place
    FROM (
        SELECT
            message_id,
            max(JSON_VALUE(attributes, '$.run_id')) AS run_id,
            max(JSON_VALUE(attributes, '$.job_id')) AS job_id,
            max(JSON_VALUE(attributes, '$.crawl')) AS crawl,
            max(JSON_VALUE(attributes, '$.host')) AS host,
            max(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url')) AS url,
            max(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.recipe.name')) AS recipe,
            max(SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INT64))
                AS deliveries,
            min(publish_time) AS dead_at
        FROM `${ledger}.dead_letters`
        GROUP BY message_id
    ) AS messages"""
#: The dead letters of one run or of all runs; those without a job only among those of all runs.
#: Parameters: the run id or NULL, four times.
DEAD_LETTERS_QUERY: Final = f"""
    SELECT
        letter.message_id, coalesce(letter.job_id, ''), coalesce(letter.run_id, ''),
        coalesce(letter.crawl, ''), coalesce(job.url, letter.url, ''), coalesce(letter.host, ''),
        coalesce(letter.recipe, ''), coalesce(job.attempts, letter.deliveries, 0),
        coalesce(job.last_reason, ''), coalesce(newest.http_status, 0), coalesce(job.last_detail, ''),
        coalesce(job.cause, 'message'), letter.dead_at
    FROM ({_LETTERS}) AS letter
    LEFT JOIN `${{ledger}}.job_state` AS job ON job.run_id = letter.run_id AND job.job_id = letter.job_id
    LEFT JOIN (
        SELECT
            run_id, job_id, http_status,
            row_number() OVER (
                PARTITION BY run_id, job_id ORDER BY publish_time DESC, message_id DESC
            ) AS place
        FROM `${{ledger}}.outcomes`
        WHERE ? IS NULL OR run_id = ?
    ) AS newest ON newest.run_id = letter.run_id AND newest.job_id = letter.job_id AND newest.place = 1
    LEFT JOIN (
        SELECT DISTINCT dead_letter FROM `${{ledger}}.operator_log`
        WHERE act = 'drop' AND dead_letter IS NOT NULL
    ) AS dropped ON dropped.dead_letter = letter.message_id
    WHERE letter.place = 1 AND dropped.dead_letter IS NULL
        AND (job.state = 'dead' OR letter.run_id IS NULL OR letter.job_id IS NULL)
        AND (? IS NULL OR letter.run_id = ?)
    ORDER BY 3, 5, 2, 1"""  # noqa: S608 - a constant
#: Messages of the dead-letter topic whose jobs are no longer dead, or have a newer dead letter.
#: Parameters: the run id or NULL, twice.
OUTDATED_QUERY: Final = f"""
    SELECT letter.message_id
    FROM ({_LETTERS}) AS letter
    JOIN `${{ledger}}.job_times` AS job ON job.run_id = letter.run_id AND job.job_id = letter.job_id
    WHERE (letter.place > 1 OR job.state <> 'dead') AND (? IS NULL OR letter.run_id = ?)
    UNION ALL
    SELECT dead_letter FROM `${{ledger}}.operator_log` WHERE act = 'drop' AND dead_letter IS NOT NULL"""  # noqa: S608 - a constant
#: The messages of the dead letters. Parameters: the run id or NULL, twice.
MESSAGES_QUERY: Final = """
    SELECT message_id, data, attributes FROM `${ledger}.dead_letters`
    WHERE ? IS NULL OR JSON_VALUE(attributes, '$.run_id') = ?
    ORDER BY publish_time, message_id"""
#: The newest messages of the jobs of a run, as they were published. Parameter: the run id.
JOBS_QUERY: Final = """
    SELECT JSON_VALUE(attributes, '$.job_id'), data FROM `${ledger}.jobs`
    WHERE JSON_VALUE(attributes, '$.run_id') = ? ORDER BY publish_time, message_id"""
#: The ids of the jobs of a run. Parameter: the run id.
JOB_IDS_QUERY: Final = """
    SELECT DISTINCT JSON_VALUE(attributes, '$.job_id') FROM `${ledger}.jobs`
    WHERE JSON_VALUE(attributes, '$.run_id') = ?"""
#: The ids of the jobs of a run that have succeeded. Parameter: the run id.
SUCCEEDED_QUERY: Final = """
    SELECT job_id FROM `${ledger}.job_times` WHERE run_id = ? AND state = 'succeeded'"""
#: The listings of a run, and the numbers of their further pages of which a job was published.
#: Parameter: the run id.
PAGES_QUERY: Final = """
    SELECT DISTINCT JSON_VALUE(attributes, '$.listing'), SAFE_CAST(JSON_VALUE(attributes, '$.page') AS INT64)
    FROM `${ledger}.jobs`
    WHERE JSON_VALUE(attributes, '$.run_id') = ? AND JSON_VALUE(attributes, '$.listing') IS NOT NULL"""
#: State of jobs, and when they died last. Parameters: the run id and the ids of the jobs.
STATES_QUERY: Final = """
    SELECT job_id, state, dead_at FROM `${{ledger}}.job_times` WHERE run_id = ? AND job_id IN ({places})"""
MAX_JOBS_OF_QUERY: Final = 500  #: maximum number of jobs in one query


class DeadLetter(NamedTuple):
    """A dead letter that waits for the operator.

    Attributes:
        message_id: id of its message in the dead-letter topic.
        job_id: id of the job; `""` if the message has none.
        run_id: the run; `""` if the message has none.
        crawl: name of the crawl; `""` if unknown.
        url: URL of the page; `""` if the message is not a job.
        host: host of the page; `""` if unknown.
        recipe: name of the recipe; `""` if unknown.
        attempts: number of attempts.
        last_reason: reason of the last attempt; `""` if no attempt left an outcome.
        http_status: HTTP status of the site's last response; 0 if there was none.
        detail: detail of the last attempt.
        cause: `page`, `message` or `infrastructure`.
        dead_at: when it became a dead letter, UTC, as `2026-11-22T06:00:03.120000Z`.
    """

    message_id: str
    job_id: str
    run_id: str
    crawl: str
    url: str
    host: str
    recipe: str
    attempts: int
    last_reason: str
    http_status: int
    detail: str
    cause: str
    dead_at: str

    @property
    def reason(self) -> str:
        """Why the job is dead: the last reason, or what explains a dead letter that has none."""
        if self.cause == Cause.MESSAGE and not self.last_reason:
            return Reason.BAD_JOB.value
        if self.last_reason == Reason.OK:
            # If a page was scraped and its job is dead, the job of its next page could not be published.
            return Reason.PUBLISH_UNCONFIRMED.value
        return self.last_reason or NO_OUTCOME


def dead_letters(ledger: Ledger, run_id: str | None = None) -> list[DeadLetter]:
    """Return the dead letters of a run, or of all runs, sorted by run and URL."""
    return [DeadLetter(*row) for row in ledger.rows(DEAD_LETTERS_QUERY, run_id, run_id, run_id, run_id)]


def outdated_dead_letters(ledger: Ledger, run_id: str | None = None) -> set[str]:
    """Return the ids of the dead-letter messages that need no replay, of one run or of all runs.

    Their jobs have been published again, have ended otherwise, or have a newer dead letter. Such a message
    remains if a replay is killed after Pub/Sub has confirmed the job, and before the dead letter is
    acknowledged.
    """
    return {message_id for (message_id,) in ledger.rows(OUTDATED_QUERY, run_id, run_id)}


def dead_letter_messages(ledger: Ledger, run_id: str | None = None) -> list[tuple[str, bytes, str]]:
    """Return the id, the data and the attributes as JSON of each dead-letter message, the oldest first.

    Dead letters that were replayed are included, and a message may be repeated.
    """
    return [
        (message_id, data, text) for message_id, data, text in ledger.rows(MESSAGES_QUERY, run_id, run_id)
    ]


def published_jobs(ledger: Ledger, run_id: str) -> dict[str, bytes]:
    """Return the message data of each job of a run by its job id."""
    return {job_id: bytes(data or b"") for job_id, data in ledger.rows(JOBS_QUERY, run_id) if job_id}


def published_job_ids(ledger: Ledger, run_id: str) -> set[str]:
    """Return the ids of all jobs of a run that were published."""
    return {job_id for (job_id,) in ledger.rows(JOB_IDS_QUERY, run_id)}


def succeeded_jobs(ledger: Ledger, run_id: str) -> set[str]:
    """Return the ids of the jobs of a run that have succeeded, and were not replaced."""
    return {job_id for (job_id,) in ledger.rows(SUCCEEDED_QUERY, run_id)}


def published_pages(ledger: Ledger, run_id: str) -> set[tuple[str, int]]:
    """Return the listing and the page number of each page of a run that has its listing in its message."""
    return {(listing, page) for listing, page in ledger.rows(PAGES_QUERY, run_id)}


def job_ends(ledger: Ledger, run_id: str, job_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return for each recorded job its state, and when it died last or `""`."""
    found = dict[str, tuple[str, str]]()
    for start in range(0, len(job_ids), MAX_JOBS_OF_QUERY):
        part = job_ids[start : start + MAX_JOBS_OF_QUERY]
        query = STATES_QUERY.format(places=", ".join("?" * len(part)))
        found |= {job: (state, dead_at or "") for job, state, dead_at in ledger.rows(query, run_id, *part)}
    return found
