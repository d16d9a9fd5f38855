-- Holds, for any client. SQLSTATEs: TK070 a hold does not hold what it says, or moves as it may not; TK071 a capture that its hold
-- does not cover. Row by row behind a comparison of two columns, so that what is no hold pays nothing for it.

-- As in 0002_guards.sql, but that a hold is completed by its captures and has no journal: check_hold_move asks for them.
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
        WHERE n.state <> o.state AND n.state = 'completed' AND n.kind <> 'hold'
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

-- What is placed is held in the payer's wallet: amount and fee, under the hold's own id.
CREATE FUNCTION transactions_check_hold() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
BEGIN
    IF NEW.state NOT IN ('pending', 'failed') OR NEW.hold_id IS NOT NULL THEN
        RAISE EXCEPTION 'hold %: born pending or failed, and captures nothing', NEW.id USING ERRCODE = 'TK070';
    END IF;
    IF NEW.state = 'pending' AND (NEW.payee_id IS NULL OR NOT EXISTS (
        SELECT FROM ledger_holdevent h JOIN wallets_wallet w ON w.id = NEW.payer_id AND w.account_id = h.account_id
        WHERE h.hold = NEW.id AND h.kind = 'placed' AND h.amount = NEW.amount + NEW.fee AND h.expires_at IS NOT NULL))
    THEN
        RAISE EXCEPTION 'hold %: nothing is held for it', NEW.id USING ERRCODE = 'TK070';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_hold AFTER INSERT ON transactions_transaction
    FOR EACH ROW WHEN (NEW.kind = 'hold') EXECUTE FUNCTION transactions_check_hold();

-- It ends once, with nothing held any more: completed where something was captured, cancelled or expired where nothing was.
CREATE FUNCTION transactions_check_hold_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('pending', 'completed'), ('pending', 'cancelled'), ('pending', 'expired')) THEN
        RAISE EXCEPTION 'hold %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK070';
    END IF;
    IF 0 IS DISTINCT FROM (SELECT h.remaining_after FROM ledger_holdevent h WHERE h.hold = NEW.id ORDER BY h.seq DESC LIMIT 1) THEN
        RAISE EXCEPTION 'hold %: it is over and holds something', NEW.id USING ERRCODE = 'TK070';
    END IF;
    IF (NEW.state = 'completed') <> EXISTS (
        SELECT FROM transactions_transaction t
        WHERE t.hold_id = NEW.id AND t.state IN ('completed', 'partially_reversed', 'reversed'))
    THEN
        RAISE EXCEPTION 'hold %: completed is what was captured', NEW.id USING ERRCODE = 'TK070';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_hold_move AFTER UPDATE ON transactions_transaction
    FOR EACH ROW WHEN (NEW.kind = 'hold' AND NEW.state <> OLD.state) EXECUTE FUNCTION transactions_check_hold_move();

-- A capture is a payment between the sides of its hold; all of them together are within it, and what they took is what it let
-- go of as captured: so none comes after its end.
CREATE FUNCTION transactions_check_capture() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    held record;
    taken record;
BEGIN
    SELECT * INTO held FROM transactions_transaction WHERE id = NEW.hold_id;
    IF NEW.kind <> 'payment' OR held.kind IS DISTINCT FROM 'hold' OR held.state = 'failed'
       OR (NEW.payer_id, NEW.payee_id, NEW.currency) IS DISTINCT FROM (held.payer_id, held.payee_id, held.currency)
    THEN
        RAISE EXCEPTION 'payment %: no capture of hold %', NEW.id, NEW.hold_id USING ERRCODE = 'TK071';
    END IF;
    IF NEW.state = 'failed' THEN
        RETURN NULL;
    END IF;
    SELECT sum(amount) AS amount, sum(amount + fee) AS held INTO taken FROM transactions_transaction
        WHERE hold_id = NEW.hold_id AND state IN ('completed', 'partially_reversed', 'reversed');
    IF NEW.state <> 'completed' OR taken.amount > held.amount OR taken.held IS DISTINCT FROM (
        SELECT sum(h.amount) FROM ledger_holdevent h WHERE h.hold = NEW.hold_id AND h.kind = 'captured')
    THEN
        RAISE EXCEPTION 'payment %: hold % does not cover it', NEW.id, NEW.hold_id USING ERRCODE = 'TK071';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_capture AFTER INSERT ON transactions_transaction
    FOR EACH ROW WHEN (NEW.hold_id IS NOT NULL AND NEW.kind <> 'hold') EXECUTE FUNCTION transactions_check_capture();
