-- One row per listing: a page whose recipe has `next`, and the pages that follow it, each of which is a job.
-- state: complete (its last page is scraped), broken (a page is dead, cancelled or dropped, so no page follows), or in_progress.
-- ended_by: why a complete listing has no further page: last_page, max_pages, loop, bad_next or too_large.
-- broken_at: number of the first page that is missing in a broken listing; broken_reason: why, NULL without an outcome.
SELECT
    run_id,
    listing,
    max(CASE WHEN page = 1 THEN url END) AS url,
    count(CASE WHEN outcome = 'succeeded' THEN 1 END) AS pages,
    sum(CASE WHEN outcome = 'succeeded' THEN item_count ELSE 0 END) AS items,
    max(CASE WHEN from_end = 1 THEN listing_state END) AS state,
    max(CASE WHEN from_end = 1 AND listing_state = 'complete' THEN listing_end END) AS ended_by,
    max(CASE
        WHEN from_end = 1 AND listing_state = 'broken' THEN CASE WHEN outcome = 'succeeded' THEN page + 1 ELSE page END
    END) AS broken_at,
    max(CASE
        WHEN from_end = 1 AND listing_state = 'broken'
            THEN CASE WHEN outcome = 'succeeded' THEN 'publish_unconfirmed' ELSE reason END
    END) AS broken_reason
FROM (
    SELECT
        member.run_id, member.listing, member.page, member.url, member.outcome, member.item_count, member.listing_end,
        coalesce(renamed.new_reason, member.reason) AS reason,
        CASE
            WHEN job.state IN ('dead', 'cancelled', 'dropped') THEN 'broken'
            WHEN member.outcome = 'succeeded' AND coalesce(member.next_url, '') = '' THEN 'complete'
            ELSE 'in_progress'
        END AS listing_state,
        row_number() OVER (
            PARTITION BY member.run_id, member.listing ORDER BY member.page DESC, member.job_id DESC
        ) AS from_end
    FROM (
        -- The newest success of each page, or its newest outcome, or its dead letter if it has no outcome.
        SELECT
            run_id, job_id, listing, page, url, outcome, reason, item_count, listing_end, next_url,
            row_number() OVER (PARTITION BY run_id, job_id ORDER BY rank, publish_time DESC, message_id DESC) AS place
        FROM (
            SELECT
                run_id, job_id, listing, page, url, outcome, reason, item_count, listing_end, next_url,
                CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END AS rank, publish_time, message_id
            FROM `${ledger}.outcomes`
            WHERE listing <> ''
            UNION ALL
            SELECT
                JSON_VALUE(attributes, '$.run_id'),
                JSON_VALUE(attributes, '$.job_id'),
                JSON_VALUE(attributes, '$.listing'),
                SAFE_CAST(JSON_VALUE(attributes, '$.page') AS INT64),
                JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.url'),
                'dead', JSON_VALUE(attributes, '$.reason'), 0, NULL, NULL, 2, publish_time, message_id
            FROM `${ledger}.dead_letters`
            WHERE JSON_VALUE(attributes, '$.listing') IS NOT NULL
        ) AS evidence
    ) AS member
    JOIN `${ledger}.job_times` AS job ON job.run_id = member.run_id AND job.job_id = member.job_id
    LEFT JOIN `${ledger}.renamed_reasons` AS renamed ON renamed.old_reason = member.reason
    WHERE member.place = 1 AND job.state <> 'replaced' -- its replacement has its place in the listing
) AS pages_of_the_listing
GROUP BY run_id, listing
