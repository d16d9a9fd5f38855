-- A waiver of the fee of one transaction is an adjustment that some may post alone: it has a row that says whose fee it was. At the
-- end of its database transaction that row and the journal agree, and of no side more is waived than it paid. SQLSTATE TK030.
CREATE OR REPLACE FUNCTION transactions_check_adjustment() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.idempotency_key !~ '^approval-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' OR NOT EXISTS (
        SELECT FROM staff_approval a
        WHERE a.id = substr(NEW.idempotency_key, 10)::uuid AND a.operation IN ('adjustment', 'collection', 'write_off')
          AND a.state = 'approved' AND a.checker_id <> a.maker_id AND NEW.caller = 'staff:' || a.maker_id
          AND (a.params ->> 'amount_minor')::bigint = NEW.amount AND a.params ->> 'currency' = NEW.currency))
       AND NOT EXISTS (SELECT FROM transactions_waivedfee w WHERE w.movement_id = NEW.id)
    THEN
        RAISE EXCEPTION 'adjustment %: nobody has approved it', NEW.id USING ERRCODE = 'TK016';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION transactions_check_waived() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM transactions_transaction t
        JOIN transactions_transaction m ON m.id = NEW.movement_id AND m.kind = 'adjustment' AND m.state = 'completed'
            AND m.amount = NEW.amount AND m.currency = t.currency AND m.payer_id IS NULL
            AND m.payee_id = CASE WHEN NEW.of_payee OR t.payer_id IS NULL THEN t.payee_id ELSE t.payer_id END
        JOIN ledger_entry e ON e.journal_id = m.id AND e.side = 1
        JOIN ledger_account a ON a.id = e.account_id AND a.code = 'income:fees:' || t.kind || ':' || t.currency
        WHERE t.id = NEW.transaction_id AND t.state IN ('completed', 'partially_reversed', 'reversed')
          AND (SELECT sum(w.amount) FROM transactions_waivedfee w WHERE w.transaction_id = t.id AND w.of_payee = NEW.of_payee)
              <= CASE WHEN NEW.of_payee THEN t.payee_fee ELSE t.fee END)
    THEN
        RAISE EXCEPTION 'waived fee %: its adjustment or its transaction says something else', NEW.id USING ERRCODE = 'TK030';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_waived AFTER INSERT ON transactions_waivedfee DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION transactions_check_waived();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_waivedfee
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
