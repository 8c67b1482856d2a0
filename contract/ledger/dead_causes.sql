-- What caused the newest dead letter of each job: its page, its message, or the infrastructure. One row per job that has
-- a dead letter; job_state and run_accounting use it for jobs that are dead now.
-- page: requests to the site showed it. message: no worker can read the message as a job,
-- or its settings do not allow what the job asks for. infrastructure: neither, so a
-- replay may succeed; for example no worker was free at most deliveries.
-- A dead letter that the worker published itself (ACK_POLICY=settled) names its reason. Pub/Sub forwards a message without
-- a reason. Its cause is the page if at least half of its deliveries have an outcome whose cause is the page.
WITH causes AS ( -- Of each reason that is not the page's; a test compares it with contract/reason_meanings.py.
    SELECT 'ok' AS reason, 'none' AS cause
    UNION ALL SELECT 'duplicate_delivery', 'none'
    UNION ALL SELECT 'cancelled', 'none'
    UNION ALL SELECT 'run_limit', 'none'
    UNION ALL SELECT 'bad_envelope', 'message'
    UNION ALL SELECT 'bad_job', 'message'
    UNION ALL SELECT 'request_refused', 'message'
    UNION ALL SELECT 'queued_too_long', 'infrastructure'
    UNION ALL SELECT 'rate_limited', 'infrastructure'
    UNION ALL SELECT 'not_before', 'infrastructure'
    UNION ALL SELECT 'publish_unconfirmed', 'infrastructure'
    UNION ALL SELECT 'shutdown', 'infrastructure'
    UNION ALL SELECT 'no_token', 'infrastructure'
    UNION ALL SELECT 'bad_token', 'infrastructure'
    UNION ALL SELECT 'wrong_caller', 'infrastructure'
    UNION ALL SELECT 'no_certificates', 'infrastructure'
    UNION ALL SELECT 'paused', 'infrastructure'
    UNION ALL SELECT 'internal_error', 'infrastructure'
    UNION ALL SELECT 'delivery_limit', 'infrastructure'
    -- The codes that 0.1 wrote instead.
    UNION ALL SELECT 'late', 'infrastructure'
    UNION ALL SELECT 'no_slot', 'infrastructure'
    UNION ALL SELECT 'not_due', 'infrastructure'
    UNION ALL SELECT 'unconfirmed', 'infrastructure'
    UNION ALL SELECT 'bug', 'infrastructure'
)
SELECT
    dead.run_id,
    dead.job_id,
    CASE
        WHEN max(dead.reason) IS NOT NULL THEN coalesce(max(given.cause), 'page')
        WHEN max(dead.is_job) = 0 THEN 'message'
        WHEN 2 * count(DISTINCT CASE WHEN coalesce(found.cause, 'page') = 'page' THEN outcome.attempt END)
            < coalesce(max(dead.deliveries), 1) THEN 'infrastructure'
        ELSE 'page'
    END AS cause
FROM (
    SELECT
        JSON_VALUE(attributes, '$.run_id') AS run_id,
        JSON_VALUE(attributes, '$.job_id') AS job_id,
        JSON_VALUE(attributes, '$.reason') AS reason,
        SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INT64) AS deliveries,
        SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceTopicPublishTime') AS TIMESTAMP) AS published_at,
        CASE
            WHEN SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.version') AS INT64) IN (1, 2)
                AND JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url') IS NOT NULL THEN 1
            ELSE 0
        END AS is_job,
        row_number() OVER (
            PARTITION BY JSON_VALUE(attributes, '$.run_id'), JSON_VALUE(attributes, '$.job_id')
            ORDER BY publish_time DESC, message_id DESC
        ) AS place
    FROM `${ledger}.dead_letters`
) AS dead
LEFT JOIN causes AS given ON given.reason = dead.reason
-- Only the outcomes of this message count, and not those of the job's messages before a replay or a deferral.
LEFT JOIN `${ledger}.outcomes` AS outcome
    ON outcome.run_id = dead.run_id AND outcome.job_id = dead.job_id
    AND (dead.published_at IS NULL OR outcome.publish_time >= dead.published_at)
LEFT JOIN causes AS found ON found.reason = outcome.reason
WHERE dead.place = 1
GROUP BY dead.run_id, dead.job_id
