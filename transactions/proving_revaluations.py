"""What `verify_ledger` asks of revaluations of our positions: part of I1."""

# Each line against the journals that posted it and took back the one before; the approval; and what is left of all.
REVALUATIONS = """
    SELECT 'revaluation ' || r.day, 'was approved by nobody'
    FROM transactions_revaluation r
    LEFT JOIN staff_approval a ON a.id = r.approval_id AND a.operation = 'revaluation' AND a.state = 'approved'
        AND a.checker_id <> a.maker_id AND a.params ->> 'day' = r.day::text
    WHERE a.id IS NULL AND EXISTS (SELECT FROM transactions_revaluationline l WHERE l.revaluation_id = r.id)
    UNION ALL
    SELECT 'revaluation ' || said.day, said.base || '/' || said.quote || ' comes to ' || said.result || ' '
           || said.currency || '; its journal says something else'
    FROM (
        SELECT r.day, l.base, l.quote, l.result, r.currency, l.movement_id AS movement
        FROM transactions_revaluationline l JOIN transactions_revaluation r ON r.id = l.revaluation_id
        UNION ALL
        SELECT r.day, l.base, l.quote, -o.result, p.currency, l.undo_id
        FROM transactions_revaluationline l JOIN transactions_revaluation r ON r.id = l.revaluation_id
        JOIN transactions_revaluationline o ON o.id = l.undoes_id
        JOIN transactions_revaluation p ON p.id = o.revaluation_id
    ) said
    LEFT JOIN transactions_transaction t ON t.id = said.movement
    WHERE CASE WHEN said.result = 0 THEN t.id IS NOT NULL
        ELSE (t.kind, t.state, t.amount, t.currency) IS DISTINCT FROM
             ('adjustment', 'completed', abs(said.result), said.currency)
          OR (SELECT count(*) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
              WHERE e.journal_id = t.id AND e.amount = abs(said.result)
                AND (a.code, e.side) IN (('equity:fx_revaluation:' || said.currency, sign(said.result)::int),
                                         ('income:fx_unrealised:' || said.currency, -sign(said.result)::int))) <> 2 END
    UNION ALL
    SELECT a.code, 'says ' || a.posted || '; the latest revaluation came to ' || coalesce(l.result, 0)
    FROM ledger_account a
    LEFT JOIN (
        SELECT r.currency, sum(l.result) AS result
        FROM (SELECT * FROM transactions_revaluation ORDER BY day DESC LIMIT 1) r
        JOIN transactions_revaluationline l ON l.revaluation_id = r.id GROUP BY r.currency
    ) l ON l.currency = a.currency
    WHERE (starts_with(a.code, 'equity:fx_revaluation:') OR starts_with(a.code, 'income:fx_unrealised:'))
      AND a.posted <> coalesce(l.result, 0)
"""
