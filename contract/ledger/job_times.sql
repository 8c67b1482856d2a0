-- The state of each job and its times, one row per job. job_state adds the reason; run_accounting counts the states.
-- A success is final. A page of a listing that has a next page has succeeded only when the job of the next page was
-- published, too: until then its message is redelivered, and if that never succeeds it is a dead letter.
-- A dead letter is final until the job is published again, for example by a replay.
-- A deferred job is also published again: it is the same job and is still in flight.
-- An operator may end a job, too. cancelled: the worker acknowledged it without requesting its page, because its run was
-- cancelled. dropped: its dead letter was removed. Both are final until the job is published again. replaced: a job for
-- the same page with another recipe names it, which is final, whether it had succeeded or not.
SELECT
    run_id,
    job_id,
    CASE
        WHEN max(replaced) = 1 THEN 'replaced'
        WHEN max(succeeded) = 1 THEN 'succeeded'
        WHEN max(dropped_at) >= max(published_at) OR (count(dropped_at) > 0 AND count(published_at) = 0) THEN 'dropped'
        WHEN max(cancelled_at) >= max(published_at) OR (count(cancelled_at) > 0 AND count(published_at) = 0) THEN 'cancelled'
        WHEN max(dead_at) >= max(published_at) OR (count(dead_at) > 0 AND count(published_at) = 0) THEN 'dead'
        WHEN count(attempted_at) > 0 OR count(dead_at) > 0 THEN 'retrying'
        ELSE 'queued'
    END AS state,
    -- Pub/Sub counts deliveries only for a subscription with a dead-letter policy; without one, count the outcomes.
    CASE WHEN max(attempt) > 0 THEN max(attempt) ELSE count(DISTINCT outcome_id) END AS attempts,
    count(DISTINCT outcome_id) AS outcomes, -- fewer than attempts if attempts left no outcome
    min(published_at) AS dispatched_at, -- NULL if the table jobs has no row of this job
    max(published_at) AS published_at, -- the last publish: dispatch, deferral or replay
    max(attempted_at) AS attempted_at,
    max(dead_at) AS dead_at
FROM (
    SELECT
        JSON_VALUE(attributes, '$.run_id') AS run_id,
        JSON_VALUE(attributes, '$.job_id') AS job_id,
        publish_time AS published_at,
        CAST(NULL AS TIMESTAMP) AS dead_at,
        CAST(NULL AS TIMESTAMP) AS attempted_at,
        0 AS succeeded,
        CAST(NULL AS INT64) AS attempt,
        CAST(NULL AS STRING) AS outcome_id,
        CAST(NULL AS TIMESTAMP) AS cancelled_at,
        CAST(NULL AS TIMESTAMP) AS dropped_at,
        0 AS replaced
    FROM `${ledger}.jobs`
    UNION ALL
    SELECT
        JSON_VALUE(attributes, '$.run_id'),
        JSON_VALUE(attributes, '$.replaces'),
        NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 1
    FROM `${ledger}.jobs`
    WHERE JSON_VALUE(attributes, '$.replaces') IS NOT NULL
    UNION ALL
    SELECT
        attempt.run_id, attempt.job_id, NULL, NULL, attempt.publish_time,
        CASE
            WHEN attempt.outcome <> 'succeeded' THEN 0
            WHEN coalesce(attempt.next_url, '') = '' OR attempt.page < published.last_page THEN 1
            ELSE 0
        END,
        attempt.attempt, attempt.message_id,
        CASE WHEN attempt.outcome = 'cancelled' THEN attempt.publish_time END,
        NULL, 0
    FROM `${ledger}.outcomes` AS attempt
    LEFT JOIN (
        SELECT
            JSON_VALUE(attributes, '$.run_id') AS run_id,
            JSON_VALUE(attributes, '$.listing') AS listing,
            max(SAFE_CAST(JSON_VALUE(attributes, '$.page') AS INT64)) AS last_page
        FROM `${ledger}.jobs`
        WHERE JSON_VALUE(attributes, '$.listing') IS NOT NULL
        GROUP BY 1, 2
    ) AS published ON published.run_id = attempt.run_id AND published.listing = attempt.listing
    UNION ALL
    SELECT
        JSON_VALUE(attributes, '$.run_id'),
        JSON_VALUE(attributes, '$.job_id'),
        NULL, publish_time, NULL, 0,
        SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INT64),
        NULL, NULL, NULL, 0
    FROM `${ledger}.dead_letters`
    UNION ALL
    SELECT run_id, job_id, NULL, NULL, NULL, 0, NULL, NULL, NULL, publish_time, 0
    FROM `${ledger}.operator_log`
    WHERE act = 'drop' AND job_id IS NOT NULL
) AS events
GROUP BY run_id, job_id
