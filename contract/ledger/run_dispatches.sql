-- For each run: whether all its dispatches are complete, and what became of their URLs. A run whose dispatcher has no
-- DISPATCH_TOPIC, or was of version 0.1, has no row.
-- The ledger has all jobs of a run if its state is complete and recorded is at least published. recorded is greater than
-- published only if the requests of a repeated trigger ended at other places.
SELECT
    dispatch.run_id, dispatch.state, dispatch.dispatches, dispatch.requests,
    dispatch.found, dispatch.published, dispatch.duplicates, dispatch.rejected, dispatch.filtered, dispatch.outdated,
    dispatch.outdated_sitemaps, dispatch.over_limit, dispatch.unread,
    coalesce(job.recorded, 0) AS recorded,
    dispatch.started_at
FROM (
    SELECT
        run_id,
        CASE WHEN count(CASE WHEN state = 'in_progress' THEN 1 END) > 0 THEN 'in_progress' ELSE 'complete' END AS state,
        count(*) AS dispatches,
        sum(requests) AS requests,
        sum(found) AS found,
        sum(published) AS published,
        sum(duplicates) AS duplicates,
        sum(rejected) AS rejected,
        sum(filtered) AS filtered,
        sum(outdated) AS outdated,
        sum(outdated_sitemaps) AS outdated_sitemaps,
        sum(over_limit) AS over_limit,
        sum(unread) AS unread,
        min(started_at) AS started_at
    FROM `${ledger}.dispatch_state`
    GROUP BY run_id
) AS dispatch
LEFT JOIN `${ledger}.recorded_jobs` AS job ON job.run_id = dispatch.run_id
