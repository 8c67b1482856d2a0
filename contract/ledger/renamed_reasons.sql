-- The reason codes that 0.1 wrote, and the codes that replaced them. The views that show a reason join this one, so
-- that rows of 0.1 are counted with new rows. A test compares this table with RENAMED_REASONS in contract/outcome.py.
SELECT 'bomb' AS old_reason, 'decompression_bomb' AS new_reason
UNION ALL SELECT 'budget', 'page_budget_exceeded'
UNION ALL SELECT 'bug', 'internal_error'
UNION ALL SELECT 'cut_short', 'incomplete_body'
UNION ALL SELECT 'late', 'queued_too_long'
UNION ALL SELECT 'no_slot', 'rate_limited'
UNION ALL SELECT 'not_due', 'not_before'
UNION ALL SELECT 'redirects', 'too_many_redirects'
UNION ALL SELECT 'robots', 'robots_disallowed'
UNION ALL SELECT 'unconfirmed', 'publish_unconfirmed'
