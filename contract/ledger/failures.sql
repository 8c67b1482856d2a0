-- For each run, reason, outcome, host and recipe: how many attempts did not succeed, and how many jobs had such attempts.
SELECT
    run_id,
    reason,
    outcome,
    host,
    recipe,
    count(DISTINCT message_id) AS attempts,
    count(DISTINCT job_id) AS jobs
FROM (
    SELECT
        run_id, job_id, message_id, outcome, recipe,
        JSON_VALUE(attributes, '$.host') AS host,
        coalesce(renamed.new_reason, outcomes.reason) AS reason
    FROM `${ledger}.outcomes` AS outcomes
    LEFT JOIN `${ledger}.renamed_reasons` AS renamed ON renamed.old_reason = outcomes.reason
    WHERE outcome NOT IN ('succeeded', 'cancelled')
) AS failed_attempts
GROUP BY run_id, reason, outcome, host, recipe
