DROP TRIGGER check_capture ON transactions_transaction;
DROP FUNCTION transactions_check_capture();
DROP TRIGGER check_hold_move ON transactions_transaction;
DROP FUNCTION transactions_check_hold_move();
DROP TRIGGER check_hold ON transactions_transaction;
DROP FUNCTION transactions_check_hold();
CREATE OR REPLACE FUNCTION transactions_check_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
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
