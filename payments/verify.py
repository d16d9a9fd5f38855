"""What `verify_ledger` asks of payment requests: that they were paid as often as they say and no oftener, by payments
that they ask for, and that what became of a promise is what its hold says."""

from ledger.verify import HoldOwner

# Promises are holds of transactions, which are asked for them: there are none of our own.
OWNER = HoldOwner(
    "SELECT NULL::uuid AS id WHERE false",
    """
    SELECT 'payment request ' || r.id, 'says that it was used ' || r.used || ' times; there are ' || coalesce(u.uses, 0)
    FROM payments_paymentrequest r
    LEFT JOIN (
        SELECT u.request_id, count(*) AS uses FROM payments_requestuse u
        LEFT JOIN payments_useanswer a ON a.use_id = u.id AND a.outcome <> 'confirmed'
        WHERE a.id IS NULL GROUP BY u.request_id
    ) u ON u.request_id = r.id
    WHERE r.used <> coalesce(u.uses, 0) OR r.used > r.max_uses
    UNION ALL
    SELECT 'payment request ' || r.id, 'was used ' || count(*) || ' times by one payer, of ' || r.max_uses_per_payer
    FROM payments_requestuse u
    JOIN payments_paymentrequest r ON r.id = u.request_id AND r.max_uses_per_payer IS NOT NULL
    LEFT JOIN payments_useanswer a ON a.use_id = u.id AND a.outcome <> 'confirmed'
    WHERE a.id IS NULL
    GROUP BY r.id, r.max_uses_per_payer, u.payer_id HAVING count(*) > r.max_uses_per_payer
    UNION ALL
    SELECT 'payment ' || u.id, 'is not what payment request ' || u.request_id || ' asks for'
    FROM payments_requestuse u
    LEFT JOIN payments_paymentrequest r ON r.id = u.request_id
    LEFT JOIN transactions_transaction t ON t.id = u.id
    LEFT JOIN wallets_wallet w ON w.id = t.payer_id
    WHERE t.id IS NULL OR r.id IS NULL OR t.state = 'failed' OR u.is_promise <> r.needs_confirmation
       OR t.kind <> CASE WHEN u.is_promise THEN 'hold' ELSE 'payment' END
       OR (t.payee_id, t.currency, w.customer_id) IS DISTINCT FROM (r.wallet_id, r.currency, u.payer_id)
       OR t.amount <> r.amount OR t.amount < r.least OR t.amount > r.most OR t.created_at >= r.expires_at
    UNION ALL
    SELECT 'promise ' || a.use_id, 'was ' || a.outcome || '; its hold says something else'
    FROM payments_useanswer a
    LEFT JOIN transactions_transaction h ON h.id = a.use_id
    LEFT JOIN transactions_transaction p ON p.id = a.payment
    WHERE h.state IS DISTINCT FROM CASE a.outcome
              WHEN 'confirmed' THEN 'completed' WHEN 'rejected' THEN 'cancelled' ELSE 'expired' END
       OR a.outcome = 'confirmed' AND (p.hold_id IS DISTINCT FROM h.id OR p.state = 'failed')
    """,
)
