-- Where each job stands: queued, retrying, succeeded or dead. One row for each job.
-- A success ends a job for good. A dead letter ends it until the job is published again, which is what a replay does.
-- A job that is put off is published again, too: it is the same job, and has not ended.
SELECT
    run_id,
    job_id,
    max(url) AS url,
    CASE
        WHEN max(succeeded) = 1 THEN 'succeeded'
        WHEN max(dead_at) >= max(published_at) OR (count(dead_at) > 0 AND count(published_at) = 0) THEN 'dead'
        WHEN count(outcome_id) > 0 OR count(dead_at) > 0 THEN 'retrying'
        ELSE 'queued'
    END AS state,
    -- Pub/Sub counts deliveries only for a subscription with a dead-letter policy; otherwise outcomes are counted.
    CASE WHEN max(attempt) > 0 THEN max(attempt) ELSE count(DISTINCT outcome_id) END AS attempts,
    max(last_reason) AS last_reason, -- NULL where no attempt left an outcome (capacity, crash, kill)
    max(last_detail) AS last_detail,
    min(published_at) AS dispatched_at, -- NULL where the ledger has no row in jobs
    max(published_at) AS published_at, -- the last time: dispatched, put off or replayed
    max(attempted_at) AS attempted_at,
    max(dead_at) AS dead_at
FROM (
    SELECT
        JSON_VALUE(attributes, '$.run_id') AS run_id,
        JSON_VALUE(attributes, '$.job_id') AS job_id,
        JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url') AS url,
        publish_time AS published_at,
        NULL AS dead_at,
        NULL AS attempted_at,
        0 AS succeeded,
        NULL AS attempt,
        NULL AS outcome_id,
        NULL AS last_reason,
        NULL AS last_detail
    FROM `${ledger}.jobs`
    UNION ALL
    SELECT
        run_id, job_id, url, NULL, NULL, publish_time,
        CASE WHEN outcome = 'succeeded' THEN 1 ELSE 0 END,
        attempt, message_id,
        CASE WHEN place = 1 THEN reason END,
        CASE WHEN place = 1 THEN detail END
    FROM (
        SELECT
            run_id, job_id, url, publish_time, outcome, attempt, message_id, reason, detail,
            row_number() OVER (PARTITION BY run_id, job_id ORDER BY publish_time DESC, message_id DESC) AS place
        FROM `${ledger}.outcomes`
    ) AS placed
    UNION ALL
    SELECT
        JSON_VALUE(attributes, '$.run_id'),
        JSON_VALUE(attributes, '$.job_id'),
        JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url'),
        NULL, publish_time, NULL, 0,
        SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INTEGER),
        NULL, NULL, NULL
    FROM `${ledger}.dead_letters`
) AS rows_of_the_three
GROUP BY run_id, job_id
