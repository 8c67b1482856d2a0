-- The name of the crawl of each run; the last one in the order of names, if different crawls have the run id.
SELECT
    JSON_VALUE(attributes, '$.run_id') AS run_id,
    max(JSON_VALUE(attributes, '$.crawl')) AS crawl
FROM `${ledger}.jobs`
GROUP BY 1
