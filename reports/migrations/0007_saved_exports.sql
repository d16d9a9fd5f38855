-- Each hold as it stands: when it was placed, and its last event. With the reader's own rights, as `reports_entryline`.
CREATE VIEW reports_holdline WITH (security_invoker = true) AS
SELECT p.hold AS id, p.account_id, a.code AS account_code, a.currency, p.amount, l.remaining_after AS remaining,
       CASE WHEN l.remaining_after > 0 THEN 'open' ELSE l.kind END AS state,
       p.recorded_at AS placed_at, l.recorded_at AS changed_at, p.expires_at
FROM ledger_holdevent p
JOIN ledger_account a ON a.id = p.account_id
CROSS JOIN LATERAL (
    SELECT e.kind, e.remaining_after, e.recorded_at FROM ledger_holdevent e
    WHERE e.hold = p.hold ORDER BY e.seq DESC LIMIT 1
) l
WHERE p.kind = 'placed';
