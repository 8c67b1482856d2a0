-- The state of each job, the reason of its newest outcome, and what caused its death if it is dead. last_reason is NULL if no attempt published an outcome,
-- for example because no instance was free, or because the worker crashed or was killed.
SELECT
    job.run_id, job.job_id, page.url, job.state, job.attempts,
    -- A dead letter without a job_id has no row in dead_causes that could be joined.
    CASE WHEN job.state = 'dead' THEN coalesce(dead.cause, 'message') END AS cause,
    coalesce(renamed.new_reason, newest.reason) AS last_reason, newest.detail AS last_detail, newest.http_status,
    page.host, page.recipe,
    page.not_before, -- earliest time of the next attempt that a worker has set
    job.outcomes, job.dispatched_at, job.published_at, job.attempted_at, job.dead_at,
    coalesce(job.dispatched_at, job.attempted_at, job.dead_at) AS recorded_at
FROM `${ledger}.job_times` AS job
LEFT JOIN (
    SELECT
        run_id, job_id, reason, detail, http_status,
        row_number() OVER (PARTITION BY run_id, job_id ORDER BY publish_time DESC, message_id DESC) AS place
    FROM `${ledger}.outcomes`
) AS newest ON newest.run_id = job.run_id AND newest.job_id = job.job_id AND newest.place = 1
LEFT JOIN `${ledger}.dead_causes` AS dead
    ON dead.run_id = job.run_id AND dead.job_id = job.job_id AND job.state = 'dead'
LEFT JOIN `${ledger}.renamed_reasons` AS renamed ON renamed.old_reason = newest.reason
LEFT JOIN (
    SELECT
        run_id, job_id, max(url) AS url, max(host) AS host, max(recipe) AS recipe, max(not_before) AS not_before
    FROM (
        SELECT
            JSON_VALUE(attributes, '$.run_id') AS run_id,
            JSON_VALUE(attributes, '$.job_id') AS job_id,
            JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url') AS url,
            JSON_VALUE(attributes, '$.host') AS host,
            JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.recipe.name') AS recipe,
            JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.not_before') AS not_before
        FROM `${ledger}.jobs`
        UNION ALL
        SELECT
            JSON_VALUE(attributes, '$.run_id'),
            JSON_VALUE(attributes, '$.job_id'),
            JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url'),
            JSON_VALUE(attributes, '$.host'),
            JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.recipe.name'),
            NULL
        FROM `${ledger}.dead_letters`
        UNION ALL
        SELECT run_id, job_id, url, JSON_VALUE(attributes, '$.host'), recipe, NULL FROM `${ledger}.outcomes`
    ) AS urls
    GROUP BY run_id, job_id
) AS page ON page.run_id = job.run_id AND page.job_id = job.job_id
