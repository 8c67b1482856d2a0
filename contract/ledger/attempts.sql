-- The attempts that left an outcome, one row per message of an outcome, however often it was delivered.
SELECT
    outcomes.message_id,
    outcomes.publish_time AS ended_at,
    max(outcomes.run_id) AS run_id,
    max(outcomes.job_id) AS job_id,
    max(outcomes.outcome) AS outcome,
    max(coalesce(renamed.new_reason, outcomes.reason)) AS reason,
    max(JSON_VALUE(outcomes.attributes, '$.host')) AS host,
    max(outcomes.recipe) AS recipe,
    max(outcomes.total_seconds) AS total_seconds,
    max(outcomes.waited_seconds) AS waited_seconds,
    max(outcomes.body_bytes) AS body_bytes,
    max(outcomes.worker) AS worker
FROM `${ledger}.outcomes` AS outcomes
LEFT JOIN `${ledger}.renamed_reasons` AS renamed ON renamed.old_reason = outcomes.reason
GROUP BY outcomes.message_id, outcomes.publish_time
