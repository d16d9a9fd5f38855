-- What the rail was asked and what it said, as it was said; a final transaction; an event for each step and no other.
CREATE TRIGGER keep_row BEFORE UPDATE ON transactions_railcall
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('finished_at', 'finished_at,outcome,response');
CREATE TRIGGER keep_calls BEFORE DELETE OR TRUNCATE ON transactions_railcall
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON transactions_railmessage
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('', 'transaction_id,state,note,attempts,due_at,processed_at');
CREATE TRIGGER keep_messages BEFORE DELETE OR TRUNCATE ON transactions_railmessage
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_usage BEFORE DELETE OR TRUNCATE ON transactions_usage
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
ALTER TABLE ledger_journal ADD CONSTRAINT journal_reverses_another CHECK (reverses_id <> id);

-- An event tells of a transaction that is there, follows from the one before, and leads to the state it is in. The event
-- that a transaction is born with bears its id, so there is one at most; what it says is compared by check_births.
CREATE FUNCTION transactions_check_events() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    births uuid[];
    others bigint;
    counted bigint;
    broken record;
BEGIN
    SELECT array_agg(id) FILTER (WHERE id = transaction_id AND from_state = ''),
           count(*) FILTER (WHERE id <> transaction_id OR from_state <> '') INTO births, others FROM new_rows;
    IF births IS NOT NULL THEN
        SELECT count(*) INTO counted FROM transactions_transaction WHERE id = ANY (births);
        IF counted <> cardinality(births) THEN
            RAISE EXCEPTION 'an event tells of a transaction that is not there' USING ERRCODE = 'TK014';
        END IF;
    END IF;
    IF others = 0 THEN
        RETURN NULL;
    END IF;
    SELECT n.id, n.transaction_id INTO broken
        FROM (SELECT * FROM new_rows WHERE id <> transaction_id OR from_state <> '') n
        LEFT JOIN LATERAL (SELECT state FROM transactions_transaction WHERE id = n.transaction_id OFFSET 0) t ON true
        LEFT JOIN LATERAL (
            SELECT (array_agg(e.to_state ORDER BY e.id DESC) FILTER (WHERE e.id < n.id))[1] AS before,
                   bool_or(e.id > n.id) AS goes_on
            FROM (SELECT id, to_state FROM transactions_event WHERE transaction_id = n.transaction_id OFFSET 0) e
        ) step ON true
        WHERE t.state IS NULL
           OR n.from_state <> coalesce(step.before, '')
           OR (NOT step.goes_on AND n.to_state <> t.state)
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'event % of transaction % tells of no step that was taken', broken.id, broken.transaction_id
            USING ERRCODE = 'TK014';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_events AFTER INSERT ON transactions_event REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION transactions_check_events();

-- Beside its state, only an open transaction changes: what is final keeps its code, times and references.
CREATE FUNCTION transactions_check_final() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.refusal_code, NEW.rail_reference, NEW.due_at, NEW.attempts, NEW.quarantined_at, NEW.completed_at)
       IS DISTINCT FROM
       (OLD.refusal_code, OLD.rail_reference, OLD.due_at, OLD.attempts, OLD.quarantined_at, OLD.completed_at)
    THEN
        RAISE EXCEPTION 'transaction %: it is % and keeps what it says', OLD.id, OLD.state USING ERRCODE = 'TK011';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_final BEFORE UPDATE ON transactions_transaction
    FOR EACH ROW WHEN (OLD.state NOT IN ('pending', 'processing', 'unknown'))
    EXECUTE FUNCTION transactions_check_final();
