-- One row per job that succeeded: its newest success. A job that was replaced and its replacements are one page and have
-- one row, that of the newest success among them. The query uses windows over one table instead of a join with
-- job_state, because SQLite has no index for that join and took over ten minutes for 100,000 jobs.
SELECT
    run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256,
    page, listing, -- of version 0.1: NULL
    CASE WHEN last_attempt > 0 THEN last_attempt ELSE outcomes END AS attempts
FROM (
    SELECT
        run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256, page,
        listing, outcome,
        max(attempt) OVER (PARTITION BY run_id, job_id) AS last_attempt,
        max(number) OVER (PARTITION BY run_id, job_id) AS outcomes,
        row_number() OVER (
            PARTITION BY run_id, coalesce(nullif(original, ''), job_id)
            ORDER BY CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END, publish_time DESC, message_id DESC
        ) AS place
    FROM (
        SELECT
            run_id, job_id, crawl, url, final_url, recipe, items, item_count, fetched_at, body_sha256, page,
            listing, outcome, attempt, publish_time, message_id, original,
            dense_rank() OVER (PARTITION BY run_id, job_id ORDER BY message_id) AS number
        FROM `${ledger}.outcomes`
    ) AS numbered
) AS ranked
WHERE place = 1 AND outcome = 'succeeded'
