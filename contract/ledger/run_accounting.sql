-- What became of each run's jobs. While missing is 0, dispatched = succeeded + dead + in_flight.
-- Missing is a job that is in none of the three though it was dispatched: without an end, and older than the queue keeps
-- a message (7 days by default: https://cloud.google.com/pubsub/docs/subscription-properties), so in it no longer. Missing
-- is also a job that has an outcome or a dead letter, and no row in jobs. Each topic has a subscription of its own, so the
-- newest of these may only be late.
SELECT
    run_id,
    count(dispatched_at) AS dispatched,
    count(CASE WHEN state = 'succeeded' THEN 1 END) AS succeeded,
    count(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    count(CASE WHEN is_open AND is_kept THEN 1 END) AS in_flight,
    count(CASE WHEN is_open AND is_kept AND state = 'retrying' THEN 1 END) AS retrying, -- of those in flight
    count(CASE WHEN dispatched_at IS NULL OR (is_open AND NOT is_kept) THEN 1 END) AS missing,
    min(dispatched_at) AS started_at
FROM (
    SELECT
        run_id, state, dispatched_at,
        state IN ('queued', 'retrying') AS is_open,
        published_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY) AS is_kept
    FROM `${ledger}.job_times`
) AS jobs_of_the_run
GROUP BY run_id
