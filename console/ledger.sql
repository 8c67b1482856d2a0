-- The ledger's tables and views. A table has a row for each delivery of a message, as a BigQuery subscription with
-- write_metadata writes it: the message's fields, and subscription_name, message_id, publish_time, attributes.
-- Deliveries are at least once and in any order, so every view gives the same answer for repeated or shuffled rows.

CREATE TABLE IF NOT EXISTS jobs (
    subscription_name TEXT, message_id TEXT, publish_time TEXT, attributes TEXT,
    version INTEGER, job_id TEXT, run_id TEXT, crawl TEXT, url TEXT, recipe TEXT, politeness TEXT, dispatched_at TEXT
);
CREATE TABLE IF NOT EXISTS dead_letters (
    subscription_name TEXT, message_id TEXT, publish_time TEXT, attributes TEXT,
    version INTEGER, job_id TEXT, run_id TEXT, crawl TEXT, url TEXT, recipe TEXT, politeness TEXT, dispatched_at TEXT
);
CREATE TABLE IF NOT EXISTS outcomes (
    subscription_name TEXT, message_id TEXT, publish_time TEXT, attributes TEXT,
    version INTEGER, job_id TEXT, run_id TEXT, crawl TEXT, url TEXT, recipe TEXT, attempt INTEGER, outcome TEXT,
    reason TEXT, final_url TEXT, http_status INTEGER, fetched_at TEXT, fetch_seconds REAL, total_seconds REAL,
    body_bytes INTEGER, body_sha256 TEXT, items TEXT, item_count INTEGER, detail TEXT, worker TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_run ON jobs (run_id, job_id);
CREATE INDEX IF NOT EXISTS dead_letters_by_run ON dead_letters (run_id, job_id);
CREATE INDEX IF NOT EXISTS outcomes_by_run ON outcomes (run_id, job_id);

-- Where each job stands. A success ends it for good. A dead letter ends it until it is published again.
DROP VIEW IF EXISTS job_state;
CREATE VIEW job_state AS
SELECT
    run_id, job_id, max(url) AS url,
    max(published_at) AS published_at,
    max(dead_at) AS dead_at,
    CASE WHEN max(attempt) > 0 THEN max(attempt) ELSE count(DISTINCT outcome_id) END AS attempts,
    CASE
        WHEN max(succeeded) = 1 THEN 'succeeded'
        WHEN max(dead_at) >= coalesce(max(published_at), '') THEN 'dead'
        ELSE 'in_flight'
    END AS state
FROM (
    SELECT run_id, job_id, url, publish_time AS published_at,
        NULL AS dead_at, 0 AS succeeded, NULL AS attempt, NULL AS outcome_id
    FROM jobs
    UNION ALL
    SELECT run_id, job_id, url, NULL, NULL, CASE WHEN outcome = 'succeeded' THEN 1 ELSE 0 END, attempt, message_id
    FROM outcomes
    UNION ALL
    SELECT run_id, job_id, url, NULL, publish_time, 0, NULL, NULL
    FROM dead_letters
) AS rows_of_the_three
GROUP BY run_id, job_id;

-- dispatched = succeeded + dead + in_flight + missing. Missing: without an end, and older than the queue keeps a
-- message (7 days by default: https://cloud.google.com/pubsub/docs/subscription-properties), so in it no longer.
DROP VIEW IF EXISTS run_accounting;
CREATE VIEW run_accounting AS
SELECT
    run_id,
    count(published_at) AS dispatched,
    count(CASE WHEN state = 'succeeded' THEN 1 END) AS succeeded,
    count(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    count(CASE WHEN state = 'in_flight' AND published_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days') THEN 1 END)
        AS in_flight,
    count(CASE WHEN state = 'in_flight' AND published_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days') THEN 1 END)
        AS missing,
    min(published_at) AS started_at
FROM job_state
GROUP BY run_id;

-- Why attempts did not succeed, over all attempts of all jobs.
DROP VIEW IF EXISTS failures;
CREATE VIEW failures AS
SELECT run_id, reason, outcome, count(DISTINCT message_id) AS attempts, count(DISTINCT job_id) AS jobs
FROM outcomes
WHERE outcome <> 'succeeded'
GROUP BY run_id, reason, outcome;

-- One row for each job that succeeded; of several successes the newest. Windows over one table, not a join with
-- job_state: SQLite has no index for that join, and took over ten minutes for 100,000 jobs.
DROP VIEW IF EXISTS results;
CREATE VIEW results AS
SELECT run_id, job_id, url, final_url, items, item_count,
    CASE WHEN last_attempt > 0 THEN last_attempt ELSE outcomes END AS attempts
FROM (
    SELECT *,
        max(attempt) OVER (PARTITION BY run_id, job_id) AS last_attempt,
        max(number) OVER (PARTITION BY run_id, job_id) AS outcomes,
        row_number() OVER (
            PARTITION BY run_id, job_id
            ORDER BY CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END, publish_time DESC, message_id DESC
        ) AS place
    FROM (SELECT *, dense_rank() OVER (PARTITION BY run_id, job_id ORDER BY message_id) AS number FROM outcomes)
        AS numbered
) AS placed
WHERE place = 1 AND outcome = 'succeeded';

-- Every dead job with the last that was heard of it; reason is NULL where no attempt left an outcome.
DROP VIEW IF EXISTS dead_jobs;
CREATE VIEW dead_jobs AS
SELECT run_id, job_id, url,
    coalesce((
        SELECT max(CAST(json_extract(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INTEGER))
        FROM dead_letters
        WHERE dead_letters.run_id = job_state.run_id AND dead_letters.job_id = job_state.job_id
    ), attempts) AS attempts,
    (
        SELECT reason FROM outcomes
        WHERE outcomes.run_id = job_state.run_id AND outcomes.job_id = job_state.job_id
        ORDER BY publish_time DESC, message_id DESC LIMIT 1
    ) AS reason,
    (
        SELECT detail FROM outcomes
        WHERE outcomes.run_id = job_state.run_id AND outcomes.job_id = job_state.job_id
        ORDER BY publish_time DESC, message_id DESC LIMIT 1
    ) AS detail
FROM job_state
WHERE state = 'dead';
