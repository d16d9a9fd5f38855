-- Nobody adjusts the books alone (0009_adjustments.sql), whichever of three requests it was that asked: an adjustment, collecting
-- what a recipient owes us, or writing it off. And nobody comes to owe us without a request for that, of that amount, approved by
-- somebody else: a reversal that booked a receivable has one at the end of its database transaction. SQLSTATE TK016.
CREATE OR REPLACE FUNCTION transactions_check_adjustment() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.idempotency_key !~ '^approval-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' OR NOT EXISTS (
        SELECT FROM staff_approval a
        WHERE a.id = substr(NEW.idempotency_key, 10)::uuid AND a.operation IN ('adjustment', 'collection', 'write_off')
          AND a.state = 'approved' AND a.checker_id <> a.maker_id AND NEW.caller = 'staff:' || a.maker_id
          AND (a.params ->> 'amount_minor')::bigint = NEW.amount AND a.params ->> 'currency' = NEW.currency)
    THEN
        RAISE EXCEPTION 'adjustment %: nobody has approved it', NEW.id USING ERRCODE = 'TK016';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION transactions_check_owed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    owed bigint;
BEGIN
    SELECT sum(e.amount) INTO owed FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
        WHERE e.journal_id = NEW.id AND e.side = 1 AND starts_with(a.code, 'asset:receivable:');
    IF owed IS NULL THEN
        RETURN NULL;
    END IF;
    IF NEW.idempotency_key !~ '^approval-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' OR NOT EXISTS (
        SELECT FROM staff_approval a
        WHERE a.id = substr(NEW.idempotency_key, 10)::uuid AND a.operation = 'receivable'
          AND a.state = 'approved' AND a.checker_id <> a.maker_id AND NEW.caller = 'staff:' || a.maker_id
          AND (a.params ->> 'owed_minor')::bigint = owed AND (a.params ->> 'amount_minor')::bigint = NEW.amount
          AND a.params ->> 'transaction' = NEW.reverses_id::text)
       OR NOT EXISTS (SELECT FROM transactions_receivable r WHERE r.transaction_id = NEW.reverses_id)
    THEN
        RAISE EXCEPTION 'reversal %: nobody has approved that its recipient owes', NEW.id USING ERRCODE = 'TK016';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_owed AFTER INSERT ON transactions_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'reversal') EXECUTE FUNCTION transactions_check_owed();

-- A receivable is on the account of its payment and owed by the payment's recipient. SQLSTATE TK018.
CREATE FUNCTION transactions_check_receivable() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM transactions_transaction t JOIN ledger_account a ON a.id = NEW.account_id
                   WHERE t.id = NEW.transaction_id AND t.payee_id = NEW.debtor_id AND t.currency = NEW.currency
                     AND a.code = 'asset:receivable:' || t.id || ':' || t.currency)
    THEN
        RAISE EXCEPTION 'receivable %: not of this payment, account or recipient', NEW.id USING ERRCODE = 'TK018';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_birth BEFORE INSERT ON transactions_receivable
    FOR EACH ROW EXECUTE FUNCTION transactions_check_receivable();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_receivable
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

-- Reasons stay: reversals name them.
CREATE TRIGGER keep_row BEFORE UPDATE ON transactions_reversalreason
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('', 'title,refunds_fee,fee_by_share,is_active');
CREATE TRIGGER keep_reasons BEFORE DELETE OR TRUNCATE ON transactions_reversalreason
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
