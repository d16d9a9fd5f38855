-- What holds of transactions for any client, raw SQL included: how they are born, how their state may move, that every change
-- of state has its event, that money moved where it says so, and that nothing else of them ever changes.
-- SQLSTATEs: TK001 append-only, TK010 state, TK011 immutable, TK012 event missing, TK013 journal missing; 0007_kept.sql
-- goes on with what is over: TK014 an event of a step that was not taken.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_event
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_feerule
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_transactions BEFORE DELETE OR TRUNCATE ON transactions_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

CREATE FUNCTION transactions_check_births() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    born uuid[];
    done uuid[];
    originals uuid[];
    counted bigint;
    births bigint;
BEGIN
    SELECT array_agg(id), array_agg(id) FILTER (WHERE state = 'completed'),
           array_agg(reverses_id) FILTER (WHERE state = 'completed' AND reverses_id IS NOT NULL)
        INTO born, done, originals FROM new_rows;
    IF born IS NULL THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM new_rows WHERE state NOT IN ('completed', 'failed', 'pending') OR reversed_amount <> 0) THEN
        RAISE EXCEPTION 'a transaction is born completed, failed or pending' USING ERRCODE = 'TK010';
    END IF;
    SELECT count(*), count(*) FILTER (WHERE e.to_state = n.state AND e.from_state = '') INTO counted, births
        FROM new_rows n CROSS JOIN LATERAL (
            SELECT from_state, to_state FROM transactions_event WHERE transaction_id = n.id OFFSET 0) e;
    IF counted <> cardinality(born) OR births <> cardinality(born) THEN
        RAISE EXCEPTION 'a transaction is born with its event' USING ERRCODE = 'TK012';
    END IF;
    IF done IS NOT NULL THEN
        SELECT count(*) INTO counted FROM ledger_journal j WHERE j.id = ANY (done);
        IF counted <> cardinality(done) THEN
            RAISE EXCEPTION 'a completed transaction has a journal' USING ERRCODE = 'TK013';
        END IF;
    END IF;
    IF originals IS NOT NULL AND EXISTS (
        SELECT FROM transactions_transaction o WHERE o.id = ANY (originals) AND o.reversed_amount <> (
            SELECT sum(r.amount) FROM transactions_transaction r WHERE r.reverses_id = o.id AND r.state = 'completed'))
    THEN
        RAISE EXCEPTION 'a reversal is counted on what it reverses' USING ERRCODE = 'TK010';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_births AFTER INSERT ON transactions_transaction REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION transactions_check_births();

CREATE FUNCTION transactions_check_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on AS $$
DECLARE
    broken record;
    mutable CONSTANT text[] := ARRAY['state', 'reversed_amount', 'refusal_code', 'rail_reference', 'due_at', 'attempts',
                                     'quarantined_at', 'completed_at'];
BEGIN
    SELECT o.id INTO broken FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
        WHERE n.id IS NULL OR to_jsonb(n) - mutable IS DISTINCT FROM to_jsonb(o) - mutable LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %: what it is never changes', broken.id USING ERRCODE = 'TK011';
    END IF;
    SELECT o.id, o.state AS before, n.state AS after INTO broken FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE n.state <> o.state AND (o.state, n.state) NOT IN (
            ('pending', 'processing'), ('pending', 'unknown'), ('processing', 'unknown'),
            ('pending', 'completed'), ('processing', 'completed'), ('unknown', 'completed'),
            ('pending', 'failed'), ('processing', 'failed'), ('unknown', 'failed'),
            ('pending', 'cancelled'), ('pending', 'expired'),
            ('completed', 'partially_reversed'), ('completed', 'reversed'), ('partially_reversed', 'reversed')) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %: % cannot become %', broken.id, broken.before, broken.after USING ERRCODE = 'TK010';
    END IF;
    SELECT o.id, n.state AS after INTO broken FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE n.state <> o.state AND 0 = (
            SELECT count(*) FROM transactions_event e
            WHERE e.transaction_id = n.id AND e.from_state = o.state AND e.to_state = n.state) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %: no event says that it became %', broken.id, broken.after USING ERRCODE = 'TK012';
    END IF;
    SELECT n.id INTO broken FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE n.state <> o.state AND n.state = 'completed'
          AND 0 = (SELECT count(*) FROM ledger_journal j WHERE j.id = n.id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %: a completed transaction has a journal', broken.id USING ERRCODE = 'TK013';
    END IF;
    SELECT n.id INTO broken FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE n.reversed_amount < o.reversed_amount
           OR (n.state IN ('partially_reversed', 'reversed')) <> (n.reversed_amount > 0)
           OR (n.state = 'reversed') <> (n.reversed_amount = n.amount)
           OR (n.reversed_amount > o.reversed_amount AND n.reversed_amount IS DISTINCT FROM (
               SELECT sum(r.amount) FROM transactions_transaction r WHERE r.reverses_id = n.id AND r.state = 'completed'))
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %: state, reversed amount and reversals disagree', broken.id USING ERRCODE = 'TK010';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_moves AFTER UPDATE ON transactions_transaction REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION transactions_check_moves();
