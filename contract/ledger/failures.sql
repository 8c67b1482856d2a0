-- Why attempts did not succeed, over all attempts of all jobs: by reason, host and recipe.
SELECT
    run_id,
    reason,
    outcome,
    JSON_VALUE(attributes, '$.host') AS host,
    recipe,
    count(DISTINCT message_id) AS attempts,
    count(DISTINCT job_id) AS jobs
FROM `${ledger}.outcomes`
WHERE outcome <> 'succeeded'
GROUP BY run_id, reason, outcome, host, recipe
