-- The messages of each job on the jobs topic and on the dead-letter topic, one row for each delivery.
SELECT
    JSON_VALUE(attributes, '$.run_id') AS run_id,
    JSON_VALUE(attributes, '$.job_id') AS job_id,
    'job' AS kind, message_id, publish_time, data, attributes
FROM `${ledger}.jobs`
UNION ALL
SELECT
    JSON_VALUE(attributes, '$.run_id'),
    JSON_VALUE(attributes, '$.job_id'),
    'dead_letter', message_id, publish_time, data, attributes
FROM `${ledger}.dead_letters`
