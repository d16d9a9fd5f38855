-- Nobody adjusts the books alone: at the end of its database transaction an adjustment has the approval under whose name it was
-- posted, of that amount, asked for by its caller and approved by somebody else. SQLSTATE TK016. For all other kinds the trigger
-- is a comparison of one column.
CREATE FUNCTION transactions_check_adjustment() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.idempotency_key !~ '^approval-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' OR NOT EXISTS (
        SELECT FROM staff_approval a
        WHERE a.id = substr(NEW.idempotency_key, 10)::uuid AND a.operation = 'adjustment' AND a.state = 'approved'
          AND a.checker_id <> a.maker_id AND NEW.caller = 'staff:' || a.maker_id
          AND (a.params ->> 'amount_minor')::bigint = NEW.amount AND a.params ->> 'currency' = NEW.currency)
    THEN
        RAISE EXCEPTION 'adjustment %: nobody has approved it', NEW.id USING ERRCODE = 'TK016';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_adjustment AFTER INSERT ON transactions_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'adjustment') EXECUTE FUNCTION transactions_check_adjustment();
