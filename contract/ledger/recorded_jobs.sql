-- For each run: how many of the jobs that its requests have published are recorded. Each job of each request counts once,
-- however often its message was published, by a repeated trigger, a deferral or a replay. Further pages of listings and replacements do
-- not count.
SELECT
    JSON_VALUE(attributes, '$.run_id') AS run_id,
    count(DISTINCT JSON_VALUE(attributes, '$.job_id') || ' ' || coalesce(JSON_VALUE(attributes, '$.request_id'), ''))
        AS recorded
FROM `${ledger}.jobs`
WHERE JSON_VALUE(attributes, '$.listing') IS NULL
    AND JSON_VALUE(attributes, '$.replaces') IS NULL
    AND JSON_VALUE(attributes, '$.job_id') IS NOT NULL
GROUP BY 1
