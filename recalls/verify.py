"""What `verify_ledger` asks of recalls: their holds, what went back, their steps (`ledger.verify.HoldOwner`)."""

from ledger.verify import HoldOwner

OWNER = HoldOwner(
    "SELECT id FROM recalls_recall",
    """
    SELECT 'recall ' || r.id, 'is ' || r.state || ', held ' || r.held || ' and returned ' || r.returned
           || '; its hold placed ' || coalesce(h.placed, 0) || ', captured ' || coalesce(h.captured, 0)
           || ' where its reversal took ' || coalesce(e.amount, 0)
           || ', holds ' || coalesce(h.remaining, 0) || CASE WHEN h.elsewhere THEN ' on another account' ELSE '' END
    FROM recalls_recall r
    LEFT JOIN wallets_wallet w ON w.id = r.wallet_id
    LEFT JOIN LATERAL (
        SELECT sum(amount) FILTER (WHERE kind = 'placed') AS placed,
               sum(amount) FILTER (WHERE kind = 'captured') AS captured,
               sum(CASE kind WHEN 'placed' THEN amount ELSE -amount END) AS remaining,
               bool_or(account_id IS DISTINCT FROM w.account_id) AS elsewhere
        FROM ledger_holdevent WHERE hold = r.id
    ) h ON true
    LEFT JOIN ledger_entry e ON e.journal_id = r.reversal_id AND e.account_id = w.account_id AND e.side = 1
    WHERE coalesce(h.placed, 0) <> r.held OR coalesce(h.captured, 0) <> coalesce(e.amount, 0) OR h.elsewhere
       OR coalesce(h.remaining, 0) <> CASE r.state WHEN 'open' THEN r.held ELSE 0 END
    UNION ALL
    SELECT 'recall ' || r.id, 'says that ' || r.returned || ' went back; its reversal '
           || coalesce('gave back ' || t.amount || ' of ' || t.reverses_id, 'is missing')
    FROM recalls_recall r LEFT JOIN transactions_transaction t ON t.id = r.reversal_id
    WHERE r.returned > 0
      AND (t.id IS NULL OR t.amount <> r.returned OR t.reverses_id <> r.transaction_id OR t.state <> 'completed')
    UNION ALL
    SELECT 'recall ' || coalesce(r.id, e.recall_id), CASE WHEN r.id IS NULL THEN 'has events and does not exist'
           ELSE 'is ' || r.state || '; its events lead to ' || coalesce(e.last, 'nothing') END
    FROM recalls_recall r
    FULL JOIN (
        SELECT recall_id, (array_agg(to_state ORDER BY id DESC))[1] AS last, count(*) AS steps
        FROM recalls_recallevent GROUP BY recall_id
    ) e ON e.recall_id = r.id
    WHERE r.id IS NULL OR e.last IS DISTINCT FROM r.state OR e.steps <> CASE r.state WHEN 'open' THEN 1 ELSE 2 END
    """,
)
