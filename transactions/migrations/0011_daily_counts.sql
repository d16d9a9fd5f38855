-- An event that leaves the outbox is counted with it, once, whoever takes it out. Only one that leads to completed or
-- failed counts: neither is ever taken back, so that counts only grow. Set-wise, by the keys of event and transaction.
CREATE FUNCTION transactions_count_handed_on() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO transactions_dailycount AS d (day, currency, kind, state, refusal_code, count, amount)
    SELECT (t.created_at AT TIME ZONE 'UTC')::date, t.currency, t.kind, e.to_state,
           CASE e.to_state WHEN 'failed' THEN t.refusal_code ELSE '' END, count(*), sum(t.amount)::bigint
    FROM old_rows o
    JOIN transactions_event e ON e.id = o.event_id
    JOIN transactions_transaction t ON t.id = e.transaction_id
    WHERE e.to_state IN ('completed', 'failed')
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (day, currency, kind, state, refusal_code)
    DO UPDATE SET count = d.count + excluded.count, amount = d.amount + excluded.amount;
    RETURN NULL;
END $$;
-- Made before the rows are counted, and locks: postings wait until the migration is through, and nothing goes uncounted.
CREATE TRIGGER count_handed_on AFTER DELETE ON transactions_outboxentry REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION transactions_count_handed_on();

INSERT INTO transactions_dailycount (day, currency, kind, state, refusal_code, count, amount)
SELECT (t.created_at AT TIME ZONE 'UTC')::date, t.currency, t.kind, e.to_state,
       CASE e.to_state WHEN 'failed' THEN t.refusal_code ELSE '' END, count(*), sum(t.amount)::bigint
FROM transactions_event e JOIN transactions_transaction t ON t.id = e.transaction_id
WHERE e.to_state IN ('completed', 'failed')
  AND NOT EXISTS (SELECT FROM transactions_outboxentry o WHERE o.event_id = e.id)
GROUP BY 1, 2, 3, 4, 5;
