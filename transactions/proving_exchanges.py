"""What `verify_ledger` asks of movements between two currencies, of their reversals, and of what quotes take of
providers: part of I1.

Each is told again from its entries alone, account by account, and compared with the transaction and with the quote.
"""

EXCHANGES = """
    SELECT 'transaction ' || id, CASE
               WHEN quote IS NULL THEN 'exchanges currencies without a quote'
               ELSE 'says ' || amount || ' ' || currency || ' with a fee of ' || fee || ' for '
                    || coalesce(received, 0) || ' ' || other || ' at a margin of ' || margin || '; its journal took '
                    || taken || ', gave ' || given || ', ' || fees || ' to fees, ' || kept || ' to margins, ' || result
                    || ' to the result, and changed the positions by ' || sold || ' and ' || bought
                    || CASE WHEN strangers > 0 THEN ', on other accounts too' ELSE '' END END
    FROM (
        SELECT t.id, t.kind, t.amount, t.fee, t.currency, t.received, x.received_currency AS other, u.quote_id AS quote,
               q.sell_minor, q.fee_minor, q.buy_minor, q.margin_minor AS margin, q.sell, q.buy,
               coalesce(sum(e.side * e.amount) FILTER (WHERE a.code = 'liability:wallet:' || t.payer_id), 0) AS taken,
               -coalesce(sum(e.side * e.amount) FILTER (WHERE a.code = CASE t.kind
                   WHEN 'cash_out' THEN 'asset:rail:' || t.rail || ':' || x.received_currency
                   ELSE 'liability:wallet:' || t.payee_id END), 0) AS given,
               -coalesce(sum(e.side * e.amount) FILTER (
                   WHERE a.code = 'income:fees:' || x.kind || ':' || x.currency), 0) AS fees,
               -coalesce(sum(e.side * e.amount) FILTER (WHERE a.code = 'equity:fx:' || x.currency), 0) AS sold,
               -coalesce(sum(e.side * e.amount) FILTER (
                   WHERE a.code = 'equity:fx:' || x.received_currency), 0) AS bought,
               -coalesce(sum(e.side * e.amount) FILTER (
                   WHERE a.code = 'income:fx_margin:' || x.received_currency), 0) AS kept,
               -coalesce(sum(e.side * e.amount) FILTER (WHERE a.code = 'income:fx_result:' || x.currency), 0) AS result,
               count(*) FILTER (WHERE a.code NOT IN (
                   'liability:wallet:' || coalesce(t.payer_id::text, ''),
                   'liability:wallet:' || coalesce(t.payee_id::text, ''),
                   'asset:rail:' || t.rail || ':' || x.received_currency, 'income:fees:' || x.kind || ':' || x.currency,
                   'equity:fx:' || x.currency, 'equity:fx:' || x.received_currency,
                   'income:fx_margin:' || x.received_currency, 'income:fx_result:' || x.currency)) AS strangers
        FROM transactions_transaction x
        JOIN transactions_transaction t ON t.id = x.id OR t.reverses_id = x.id
        JOIN ledger_entry e ON e.journal_id = t.id JOIN ledger_account a ON a.id = e.account_id
        LEFT JOIN fx_quoteuse u ON u.transaction = x.id LEFT JOIN fx_quote q ON q.id = u.quote_id
        WHERE x.received IS NOT NULL AND x.reverses_id IS NULL
        GROUP BY t.id, x.id, u.quote_id, q.id
    ) moved
    WHERE quote IS NULL OR strangers > 0 OR CASE kind
        WHEN 'reversal' THEN taken <> coalesce(received, 0) OR sold <> -amount OR given <> amount - fees - result
            OR fees > 0 OR kept NOT BETWEEN -margin AND 0 OR bought <> taken - kept
        ELSE (taken, given, fees, sold, bought, kept, result)
             <> (amount + fee, received, fee, amount, -received - margin, margin, 0)
          OR (sell_minor, fee_minor, buy_minor, sell, buy) <> (amount + fee, fee, received, currency, other) END
    UNION ALL
    SELECT 'quote ' || u.quote_id, 'was used by transaction ' || t.id || ', which exchanges nothing'
    FROM fx_quoteuse u JOIN transactions_transaction t ON t.id = u.transaction WHERE t.received IS NULL
    UNION ALL
    SELECT 'transaction ' || o.id, 'its reversals gave back ' || coalesce(sum(r.received), 0) || ' of the '
           || o.received || ' ' || o.received_currency || ' that it brought'
    FROM transactions_transaction o JOIN transactions_transaction r ON r.reverses_id = o.id AND r.state = 'completed'
    WHERE o.received IS NOT NULL
    GROUP BY o.id
    HAVING coalesce(sum(r.received), 0) > o.received
        OR (o.reversed_amount = o.amount AND sum(r.received) IS DISTINCT FROM o.received)
"""

# What is counted of a provider's day against all trades of that day's quotes: those that were used, and those that are
# promised yet. Counted rows of what has expired say nothing of what was promised any more.
PROVIDER_USES = """
    SELECT 'provider ' || coalesce(p.code, provider_id::text) || ', ' || sell || ' to ' || buy || ' on ' || day,
           'has counted ' || coalesce(counted.used, 0) || ' as used and ' || coalesce(counted.promised, 0)
           || ' as promised; its trades come to ' || coalesce(told.used, 0) || ' and ' || coalesce(told.promised, 0)
    FROM (
        SELECT provider_id, sell, buy, day, sum(used) AS used,
               coalesce(sum(promised) FILTER (WHERE expires_at >= statement_timestamp()), 0) AS promised
        FROM fx_provideruse GROUP BY 1, 2, 3, 4
    ) counted
    FULL JOIN (
        SELECT l.provider_id, l.sell, l.buy, (q.created_at AT TIME ZONE 'UTC')::date AS day,
               coalesce(sum(l.sell_minor) FILTER (WHERE u.quote_id IS NOT NULL), 0) AS used,
               coalesce(sum(l.sell_minor) FILTER (WHERE q.expires_at >= statement_timestamp()), 0) AS promised
        FROM fx_routeleg l JOIN fx_quote q ON q.decision_id = l.decision_id
        LEFT JOIN fx_quoteuse u ON u.quote_id = q.id
        GROUP BY 1, 2, 3, 4
    ) told USING (provider_id, sell, buy, day)
    LEFT JOIN fx_provider p ON p.id = provider_id
    WHERE (coalesce(counted.used, 0), coalesce(counted.promised, 0))
       <> (coalesce(told.used, 0), coalesce(told.promised, 0))
"""
