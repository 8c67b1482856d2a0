BEGIN TRANSACTION;
CREATE TABLE `scrapeq.dead_letters` (data BLOB, subscription_name TEXT, message_id TEXT, publish_time TIMESTAMP, attributes JSON);
INSERT INTO "scrapeq.dead_letters" VALUES(X'7B2276657273696F6E223A20312C20226A6F625F6964223A202262222C202272756E5F6964223A202272756E2D31222C2022637261776C223A2022626F6F6B73222C202275726C223A202268747470733A2F2F73686F702E6578616D706C652F62227D','projects/p/subscriptions/scrape-jobs-dead-ledger','d-b-4','2026-11-22T06:00:04.000000Z','{"job_id":"b","run_id":"run-1","CloudPubSubDeadLetterSourceDeliveryCount":"1"}');
CREATE TABLE `scrapeq.jobs` (data BLOB, subscription_name TEXT, message_id TEXT, publish_time TIMESTAMP, attributes JSON);
INSERT INTO "scrapeq.jobs" VALUES(X'7B2276657273696F6E223A20312C20226A6F625F6964223A202261222C202272756E5F6964223A202272756E2D31222C2022637261776C223A2022626F6F6B73222C202275726C223A202268747470733A2F2F73686F702E6578616D706C652F61227D','projects/p/subscriptions/scrape-jobs-ledger','j-a-0','2026-11-22T06:00:00.000000Z','{"job_id":"a","run_id":"run-1"}');
INSERT INTO "scrapeq.jobs" VALUES(X'7B2276657273696F6E223A20312C20226A6F625F6964223A202262222C202272756E5F6964223A202272756E2D31222C2022637261776C223A2022626F6F6B73222C202275726C223A202268747470733A2F2F73686F702E6578616D706C652F62227D','projects/p/subscriptions/scrape-jobs-ledger','j-b-0','2026-11-22T06:00:00.000000Z','{"job_id":"b","run_id":"run-1"}');
CREATE TABLE `scrapeq.outcomes` (version INTEGER, job_id TEXT, run_id TEXT, crawl TEXT, url TEXT, recipe TEXT, attempt INTEGER, outcome TEXT, reason TEXT, final_url TEXT, http_status INTEGER, fetched_at TIMESTAMP, fetch_seconds FLOAT, total_seconds FLOAT, body_bytes INTEGER, body_sha256 TEXT, items JSON, item_count INTEGER, detail TEXT, worker TEXT, subscription_name TEXT, message_id TEXT, publish_time TIMESTAMP, attributes JSON);
INSERT INTO "scrapeq.outcomes" VALUES(1,'a','run-1','books','https://shop.example/a','book',1,'retry','late',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',0,'',NULL,'projects/p/subscriptions/scrape-outcomes-ledger','o-a-1-late','2026-11-22T06:00:01.000000Z','{"job_id":"a","run_id":"run-1","host":"shop.example"}');
INSERT INTO "scrapeq.outcomes" VALUES(1,'a','run-1','books','https://shop.example/a','book',2,'succeeded','ok',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[{"title": "A"}]',1,'',NULL,'projects/p/subscriptions/scrape-outcomes-ledger','o-a-2-ok','2026-11-22T06:00:02.000000Z','{"job_id":"a","run_id":"run-1","host":"shop.example"}');
INSERT INTO "scrapeq.outcomes" VALUES(1,'b','run-1','books','https://shop.example/b','book',1,'retry','http_5xx',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',0,'',NULL,'projects/p/subscriptions/scrape-outcomes-ledger','o-b-3-http_5xx','2026-11-22T06:00:03.000000Z','{"job_id":"b","run_id":"run-1","host":"shop.example"}');
CREATE INDEX `scrapeq.outcomes_index` ON `scrapeq.outcomes` (run_id, job_id);
CREATE VIEW `scrapeq.failures` AS -- Why attempts did not succeed, over all attempts of all jobs: by reason, host and recipe.
SELECT
    run_id,
    reason,
    outcome,
    json_extract(attributes, '$.host') AS host,
    recipe,
    count(DISTINCT message_id) AS attempts,
    count(DISTINCT job_id) AS jobs
FROM `scrapeq.outcomes`
WHERE outcome <> 'succeeded'
GROUP BY run_id, reason, outcome, host, recipe;
CREATE VIEW `scrapeq.job_state` AS -- Where each job stands, and the last that was heard of it: last_reason is NULL where no attempt left an outcome
-- (capacity, crash, kill), for Pub/Sub adds no reason to a dead letter.
SELECT
    job.run_id, job.job_id, page.url, job.state, job.attempts,
    heard.reason AS last_reason, heard.detail AS last_detail,
    job.dispatched_at, job.published_at, job.attempted_at, job.dead_at
FROM `scrapeq.job_times` AS job
LEFT JOIN (
    SELECT
        run_id, job_id, reason, detail,
        row_number() OVER (PARTITION BY run_id, job_id ORDER BY publish_time DESC, message_id DESC) AS place
    FROM `scrapeq.outcomes`
) AS heard ON heard.run_id = job.run_id AND heard.job_id = job.job_id AND heard.place = 1
LEFT JOIN (
    SELECT run_id, job_id, max(url) AS url
    FROM (
        SELECT
            json_extract(attributes, '$.run_id') AS run_id,
            json_extract(attributes, '$.job_id') AS job_id,
            json_extract(iif(json_valid(CAST(data AS TEXT)), CAST(data AS TEXT), NULL), '$.url') AS url
        FROM `scrapeq.jobs`
        UNION ALL
        SELECT
            json_extract(attributes, '$.run_id'),
            json_extract(attributes, '$.job_id'),
            json_extract(iif(json_valid(CAST(data AS TEXT)), CAST(data AS TEXT), NULL), '$.url')
        FROM `scrapeq.dead_letters`
        UNION ALL
        SELECT run_id, job_id, url FROM `scrapeq.outcomes`
    ) AS mentioned
    GROUP BY run_id, job_id
) AS page ON page.run_id = job.run_id AND page.job_id = job.job_id;
CREATE VIEW `scrapeq.job_times` AS -- What became of each job, and when: one row for each. job_state adds why; run_accounting counts.
-- A success ends a job for good. A dead letter ends it until the job is published again, which is what a replay does.
-- A job that is put off is published again, too: it is the same job, and has not ended.
SELECT
    run_id,
    job_id,
    CASE
        WHEN max(succeeded) = 1 THEN 'succeeded'
        WHEN max(dead_at) >= max(published_at) OR (count(dead_at) > 0 AND count(published_at) = 0) THEN 'dead'
        WHEN count(attempted_at) > 0 OR count(dead_at) > 0 THEN 'retrying'
        ELSE 'queued'
    END AS state,
    -- Pub/Sub counts deliveries only for a subscription with a dead-letter policy; otherwise outcomes are counted.
    CASE WHEN max(attempt) > 0 THEN max(attempt) ELSE count(DISTINCT outcome_id) END AS attempts,
    min(published_at) AS dispatched_at, -- NULL where the ledger has no row in jobs
    max(published_at) AS published_at, -- the last time: dispatched, put off or replayed
    max(attempted_at) AS attempted_at,
    max(dead_at) AS dead_at
FROM (
    SELECT
        json_extract(attributes, '$.run_id') AS run_id,
        json_extract(attributes, '$.job_id') AS job_id,
        publish_time AS published_at,
        NULL AS dead_at,
        NULL AS attempted_at,
        0 AS succeeded,
        NULL AS attempt,
        NULL AS outcome_id
    FROM `scrapeq.jobs`
    UNION ALL
    SELECT
        run_id, job_id, NULL, NULL, publish_time,
        CASE WHEN outcome = 'succeeded' THEN 1 ELSE 0 END,
        attempt, message_id
    FROM `scrapeq.outcomes`
    UNION ALL
    SELECT
        json_extract(attributes, '$.run_id'),
        json_extract(attributes, '$.job_id'),
        NULL, publish_time, NULL, 0,
        CAST(json_extract(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INTEGER),
        NULL
    FROM `scrapeq.dead_letters`
) AS rows_of_the_three
GROUP BY run_id, job_id;
CREATE VIEW `scrapeq.results` AS -- One row for each job that succeeded; of several successes the newest. Windows over one table, not a join with
-- job_state: SQLite has no index for that join, and took over ten minutes for 100,000 jobs.
SELECT
    run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256,
    CASE WHEN last_attempt > 0 THEN last_attempt ELSE outcomes END AS attempts
FROM (
    SELECT
        run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256, outcome,
        max(attempt) OVER (PARTITION BY run_id, job_id) AS last_attempt,
        max(number) OVER (PARTITION BY run_id, job_id) AS outcomes,
        row_number() OVER (
            PARTITION BY run_id, job_id
            ORDER BY CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END, publish_time DESC, message_id DESC
        ) AS place
    FROM (
        SELECT
            run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256, outcome,
            attempt, publish_time, message_id,
            dense_rank() OVER (PARTITION BY run_id, job_id ORDER BY message_id) AS number
        FROM `scrapeq.outcomes`
    ) AS numbered
) AS placed
WHERE place = 1 AND outcome = 'succeeded';
CREATE VIEW `scrapeq.run_accounting` AS -- What became of each run's jobs. While missing is 0, dispatched = succeeded + dead + in_flight.
-- Missing is a job that is in none of the three though it was dispatched: without an end, and older than the queue keeps
-- a message (7 days by default: https://cloud.google.com/pubsub/docs/subscription-properties), so in it no longer. Missing
-- is also a job that has an outcome or a dead letter, and no row in jobs. Each topic has a subscription of its own, so the
-- newest of these may only be late.
SELECT
    run_id,
    count(dispatched_at) AS dispatched,
    count(CASE WHEN state = 'succeeded' THEN 1 END) AS succeeded,
    count(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    count(CASE WHEN is_open AND is_kept THEN 1 END) AS in_flight,
    count(CASE WHEN is_open AND is_kept AND state = 'retrying' THEN 1 END) AS retrying, -- of those in flight
    count(CASE WHEN dispatched_at IS NULL OR (is_open AND NOT is_kept) THEN 1 END) AS missing,
    min(dispatched_at) AS started_at
FROM (
    SELECT
        run_id, state, dispatched_at,
        state IN ('queued', 'retrying') AS is_open,
        published_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days') AS is_kept
    FROM `scrapeq.job_times`
) AS jobs_of_the_run
GROUP BY run_id;
COMMIT;
