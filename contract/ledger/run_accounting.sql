-- For each run, the number of jobs in each state. While missing is 0,
-- dispatched = succeeded + dead + cancelled + dropped + replaced + in_flight.
-- A job is missing in two cases. First: it is queued or retrying, but was published more than 7 days ago, which is the
-- default retention of a subscription (https://cloud.google.com/pubsub/docs/subscription-properties), so its message
-- has expired. Second: it has an outcome or a dead letter but no row in jobs. Each topic has its own subscription, so
-- the newest jobs may be missing for a moment, until their row arrives.
SELECT
    run_id,
    count(dispatched_at) AS dispatched,
    count(CASE WHEN state = 'succeeded' THEN 1 END) AS succeeded,
    count(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    count(CASE WHEN state = 'cancelled' THEN 1 END) AS cancelled,
    count(CASE WHEN state = 'dropped' THEN 1 END) AS dropped,
    count(CASE WHEN state = 'replaced' THEN 1 END) AS replaced,
    count(CASE WHEN cause = 'infrastructure' THEN 1 END) AS dead_infrastructure, -- part of dead
    count(CASE WHEN is_open AND is_kept THEN 1 END) AS in_flight,
    count(CASE WHEN is_open AND is_kept AND state = 'retrying' THEN 1 END) AS retrying, -- part of in_flight
    count(CASE WHEN dispatched_at IS NULL OR (is_open AND NOT is_kept) THEN 1 END) AS missing,
    min(dispatched_at) AS started_at,
    max(attempted_at) AS attempted_at -- when the last attempt ended
FROM (
    SELECT
        job.run_id, job.state, job.dispatched_at, job.attempted_at, dead.cause,
        job.state IN ('queued', 'retrying') AS is_open,
        job.published_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY) AS is_kept
    FROM `${ledger}.job_times` AS job
    LEFT JOIN `${ledger}.dead_causes` AS dead
        ON dead.run_id = job.run_id AND dead.job_id = job.job_id AND job.state = 'dead'
) AS jobs_of_the_run
GROUP BY run_id
