-- What revalues our positions are adjustments: each belongs to a line of a revaluation that two people agreed on, of that amount,
-- between the two accounts there are for it. Checked at the end of the database transaction. SQLSTATE TK016 of an adjustment that
-- belongs to none, TK045 of a line that says something else than the books.
CREATE OR REPLACE FUNCTION transactions_check_adjustment() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.idempotency_key !~ '^approval-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' OR NOT EXISTS (
        SELECT FROM staff_approval a
        WHERE a.id = substr(NEW.idempotency_key, 10)::uuid AND a.operation IN ('adjustment', 'collection', 'write_off')
          AND a.state = 'approved' AND a.checker_id <> a.maker_id AND NEW.caller = 'staff:' || a.maker_id
          AND (a.params ->> 'amount_minor')::bigint = NEW.amount AND a.params ->> 'currency' = NEW.currency))
       AND NOT EXISTS (SELECT FROM transactions_waivedfee w WHERE w.movement_id = NEW.id)
       AND NOT EXISTS (SELECT FROM transactions_revaluationline l WHERE l.movement_id = NEW.id OR l.undo_id = NEW.id)
    THEN
        RAISE EXCEPTION 'adjustment %: nobody has approved it', NEW.id USING ERRCODE = 'TK016';
    END IF;
    RETURN NULL;
END $$;

-- Whether a movement puts ``result`` minor units of a currency into the books as revalued, or below zero takes them out.
CREATE FUNCTION transactions_is_revalued(movement uuid, result bigint, reporting text, maker bigint) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM transactions_transaction t
        WHERE t.id = movement AND t.kind = 'adjustment' AND t.state = 'completed' AND t.amount = abs(result)
          AND t.currency = reporting AND t.caller = 'staff:' || maker
          AND (SELECT count(*) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
               WHERE e.journal_id = t.id AND e.amount = abs(result)
                 AND (a.code, e.side) IN (('equity:fx_revaluation:' || reporting, sign(result)::int),
                                          ('income:fx_unrealised:' || reporting, -sign(result)::int))) = 2)
$$;

CREATE FUNCTION transactions_check_revalued() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    said record;
    before record;
BEGIN
    SELECT r.day, r.currency, a.maker_id INTO said
        FROM transactions_revaluation r JOIN staff_approval a ON a.id = r.approval_id
        WHERE r.id = NEW.revaluation_id AND a.operation = 'revaluation' AND a.state = 'approved'
          AND a.checker_id <> a.maker_id AND a.params ->> 'day' = r.day::text;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'revaluation %: nobody has approved it', NEW.revaluation_id USING ERRCODE = 'TK045';
    END IF;
    IF NEW.result <> 0 AND NOT transactions_is_revalued(NEW.movement_id, NEW.result, said.currency, said.maker_id) THEN
        RAISE EXCEPTION 'line % of a revaluation: its journal says something else', NEW.id USING ERRCODE = 'TK045';
    END IF;
    IF NEW.undoes_id IS NOT NULL THEN
        SELECT r.day, r.currency, l.result, l.base, l.quote INTO before
            FROM transactions_revaluationline l JOIN transactions_revaluation r ON r.id = l.revaluation_id
            WHERE l.id = NEW.undoes_id;
        IF before.day >= said.day OR (before.base, before.quote) <> (NEW.base, NEW.quote)
           OR NOT transactions_is_revalued(NEW.undo_id, -before.result, before.currency, said.maker_id) THEN
            RAISE EXCEPTION 'line % of a revaluation: it takes back something else', NEW.id USING ERRCODE = 'TK045';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_revalued AFTER INSERT ON transactions_revaluationline DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION transactions_check_revalued();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_revaluation
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_revaluationline
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
