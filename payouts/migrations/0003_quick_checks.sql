-- What a chunk of items was is looked at row by row, in the WHEN of a trigger. Two transition tables have no index in common, and
-- joined they were compared a million times for a chunk of a thousand.
DROP TRIGGER check_items ON payouts_item;

CREATE FUNCTION payouts_refuse_item() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.batch_id, NEW.line, NEW.to_by, NEW.to_value, NEW.wallet_id, NEW.amount, NEW.name, NEW.memo, NEW.reference)
       IS DISTINCT FROM
       (OLD.batch_id, OLD.line, OLD.to_by, OLD.to_value, OLD.wallet_id, OLD.amount, OLD.name, OLD.memo, OLD.reference) THEN
        RAISE EXCEPTION 'item %: what it is never changes', OLD.id USING ERRCODE = 'TK011';
    END IF;
    RAISE EXCEPTION 'item %: % cannot become %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
END $$;
CREATE TRIGGER keep_item BEFORE UPDATE ON payouts_item FOR EACH ROW WHEN (
    (NEW.batch_id, NEW.line, NEW.to_by, NEW.to_value, NEW.wallet_id, NEW.amount, NEW.name, NEW.memo, NEW.reference)
    IS DISTINCT FROM
    (OLD.batch_id, OLD.line, OLD.to_by, OLD.to_value, OLD.wallet_id, OLD.amount, OLD.name, OLD.memo, OLD.reference)
    OR (OLD.state, NEW.state, NEW.tries - OLD.tries)
       NOT IN (('waiting', 'paid', 1), ('waiting', 'refused', 1), ('refused', 'waiting', 0))
) EXECUTE FUNCTION payouts_refuse_item();

-- Its transaction has the key of the try that it answers.
CREATE OR REPLACE FUNCTION payouts_check_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.id INTO wrong
    FROM new_rows n JOIN payouts_batch b ON b.id = n.batch_id
    LEFT JOIN transactions_transaction t ON t.id = n.transaction_id
    WHERE n.transaction_id IS NOT NULL AND n.state <> 'waiting'
      AND (t.kind, t.payer_id, t.payee_id, t.amount, t.caller, t.idempotency_key, t.state)
          IS DISTINCT FROM ('payout', b.wallet_id, n.wallet_id, n.amount, 'job:payouts',
                            'payout-' || b.id || '-' || n.line || '-' || (n.tries - 1),
                            CASE n.state WHEN 'paid' THEN 'completed' ELSE 'failed' END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: this is not its transaction', wrong.id USING ERRCODE = 'TK033';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_items AFTER UPDATE ON payouts_item REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_check_items();
