-- For each run, recipe and field of the first level of its items: how many items have the field, and in how many of them
-- it is filled, that is, not null, an empty text or an empty array. JSON_KEYS puts names with special characters in quotes.
SELECT
    run_id,
    recipe,
    field,
    count(*) AS items,
    count(CASE WHEN value NOT IN ('null', '""', '[]') THEN 1 END) AS filled
FROM (
    SELECT result.run_id, result.recipe, TRIM(name, '"') AS field, TO_JSON_STRING(item[TRIM(name, '"')]) AS value
    FROM `${ledger}.results` AS result
    CROSS JOIN UNNEST(JSON_QUERY_ARRAY(result.items)) AS item
    CROSS JOIN UNNEST(JSON_KEYS(item, 1)) AS name
) AS fields_of_items
GROUP BY run_id, recipe, field
