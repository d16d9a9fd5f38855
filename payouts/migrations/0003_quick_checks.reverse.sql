DROP TRIGGER check_items ON payouts_item;
DROP TRIGGER keep_item ON payouts_item;
DROP FUNCTION payouts_refuse_item();
CREATE OR REPLACE FUNCTION payouts_check_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.id INTO wrong FROM new_rows n FULL JOIN old_rows o ON o.id = n.id
    WHERE n.id IS NULL OR o.id IS NULL
       OR (n.batch_id, n.line, n.to_by, n.to_value, n.wallet_id, n.amount, n.name, n.memo, n.reference)
          IS DISTINCT FROM (o.batch_id, o.line, o.to_by, o.to_value, o.wallet_id, o.amount, o.name, o.memo, o.reference)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: what it is never changes', wrong.id USING ERRCODE = 'TK011';
    END IF;
    SELECT n.id, o.state AS before, n.state AS after INTO wrong FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE (o.state, n.state, n.tries - o.tries)
          NOT IN (('waiting', 'paid', 1), ('waiting', 'refused', 1), ('refused', 'waiting', 0))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: % cannot become %', wrong.id, wrong.before, wrong.after USING ERRCODE = 'TK030';
    END IF;
    SELECT n.id INTO wrong
    FROM new_rows n JOIN old_rows o ON o.id = n.id JOIN payouts_batch b ON b.id = n.batch_id
    LEFT JOIN transactions_transaction t ON t.id = n.transaction_id
    WHERE n.transaction_id IS NOT NULL AND n.state <> 'waiting'
      AND (t.kind, t.payer_id, t.payee_id, t.amount, t.caller, t.idempotency_key, t.state)
          IS DISTINCT FROM ('payout', b.wallet_id, n.wallet_id, n.amount, 'job:payouts',
                            'payout-' || b.id || '-' || n.line || '-' || o.tries,
                            CASE n.state WHEN 'paid' THEN 'completed' ELSE 'failed' END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: this is not its transaction', wrong.id USING ERRCODE = 'TK033';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_items AFTER UPDATE ON payouts_item REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_check_items();
