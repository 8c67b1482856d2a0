-- Examples of the values of each field, up to 3 that are filled and 3 that are not: see fields.sql. A value is JSON,
-- of which the first 200 characters are shown.
SELECT run_id, recipe, field, is_filled, job_id, url, value
FROM (
    SELECT
        run_id, recipe, field, is_filled, job_id, url, value,
        row_number() OVER (PARTITION BY run_id, recipe, field, is_filled ORDER BY job_id, value) AS place
    FROM (
        SELECT
            result.run_id, result.recipe, TRIM(name, '"') AS field, result.job_id, result.url,
            CASE WHEN TO_JSON_STRING(item[TRIM(name, '"')]) IN ('null', '""', '[]') THEN 0 ELSE 1 END AS is_filled,
            substr(TO_JSON_STRING(item[TRIM(name, '"')]), 1, 200) AS value
        FROM `${ledger}.results` AS result
        CROSS JOIN UNNEST(JSON_QUERY_ARRAY(result.items)) AS item
        CROSS JOIN UNNEST(JSON_KEYS(item, 1)) AS name
    ) AS fields_of_items
) AS examples
WHERE place <= 3
