DROP TRIGGER append_only ON transactions_revaluationline;
DROP TRIGGER append_only ON transactions_revaluation;
DROP TRIGGER check_revalued ON transactions_revaluationline;
DROP FUNCTION transactions_check_revalued();
DROP FUNCTION transactions_is_revalued(uuid, bigint, text, bigint);
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
