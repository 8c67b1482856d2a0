-- The state of each dispatch, and what became of the URLs that its requests have read so far. One row per dispatch.
-- state: complete (its end record is recorded, so Pub/Sub has confirmed all its jobs) or in_progress (a shard continues it).
-- A run has several dispatches if different crawls have its run id. A repeated trigger is the same dispatch.
-- The newest end record counts, or else the newest of the shards with the highest number, which has the counts of all
-- requests before it. So a message that is published or delivered twice changes nothing.
SELECT
    run_id,
    dispatch_id,
    crawl,
    state,
    requests, -- number of requests whose jobs are confirmed
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.found') AS INT64), 0) AS found,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.published') AS INT64), 0) AS published,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.duplicates') AS INT64), 0) AS duplicates,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.rejected') AS INT64), 0) AS rejected,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.filtered') AS INT64), 0) AS filtered,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.outdated') AS INT64), 0) AS outdated,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.outdated_sitemaps') AS INT64), 0) AS outdated_sitemaps,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.over_limit') AS INT64), 0) AS over_limit,
    coalesce(SAFE_CAST(JSON_VALUE(report, '$.counts.unread') AS INT64), 0) AS unread,
    JSON_QUERY(report, '$.sources') AS sources, -- the counts of each source
    JSON_QUERY(report, '$.rejected') AS rejected_urls, -- the first 100
    JSON_QUERY(report, '$.unread') AS unread_parts, -- the first 100
    started_at,
    limit_usd, limit_bytes -- limits of the run, NULL if it has none
FROM (
    SELECT
        run_id, dispatch_id, crawl, state, requests, started_at,
        -- An end record has the limits itself, and a shard has its crawl.
        coalesce(
            SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.limits.usd') AS FLOAT64),
            SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.crawl.limits.usd') AS FLOAT64)
        ) AS limit_usd,
        coalesce(
            SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.limits.bytes') AS INT64),
            SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.crawl.limits.bytes') AS INT64)
        ) AS limit_bytes,
        JSON_QUERY(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.report') AS report
    FROM (
        SELECT
            JSON_VALUE(attributes, '$.run_id') AS run_id,
            JSON_VALUE(attributes, '$.dispatch_id') AS dispatch_id,
            JSON_VALUE(attributes, '$.crawl') AS crawl,
            CASE WHEN JSON_VALUE(attributes, '$.dispatch') = 'complete' THEN 'complete' ELSE 'in_progress' END AS state,
            coalesce(
                SAFE_CAST(JSON_VALUE(attributes, '$.requests') AS INT64),
                SAFE_CAST(JSON_VALUE(attributes, '$.shard') AS INT64) - 1
            ) AS requests,
            data,
            min(publish_time) OVER (
                PARTITION BY JSON_VALUE(attributes, '$.run_id'), JSON_VALUE(attributes, '$.dispatch_id')
            ) AS started_at,
            row_number() OVER (
                PARTITION BY JSON_VALUE(attributes, '$.run_id'), JSON_VALUE(attributes, '$.dispatch_id')
                ORDER BY
                    CASE WHEN JSON_VALUE(attributes, '$.dispatch') = 'complete' THEN 0 ELSE 1 END,
                    SAFE_CAST(JSON_VALUE(attributes, '$.shard') AS INT64) DESC,
                    publish_time DESC,
                    message_id DESC
            ) AS place
        FROM `${ledger}.dispatches`
        WHERE JSON_VALUE(attributes, '$.dispatch_id') IS NOT NULL
    ) AS messages
    WHERE place = 1
) AS newest
