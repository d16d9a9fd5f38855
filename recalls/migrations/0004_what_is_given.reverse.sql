CREATE OR REPLACE FUNCTION recalls_check_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.state = NEW.state THEN
        RAISE EXCEPTION 'recall %: it changes with its state alone', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF OLD.state <> 'open' OR NEW.state NOT IN ('consented', 'refused', 'expired', 'withdrawn') THEN
        RAISE EXCEPTION 'recall %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF NOT EXISTS (SELECT FROM recalls_recallevent e
                   WHERE e.recall_id = NEW.id AND e.from_state = OLD.state AND e.to_state = NEW.state) THEN
        RAISE EXCEPTION 'recall %: no event says that it became %', NEW.id, NEW.state USING ERRCODE = 'TK031';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger_holdevent h WHERE h.hold = NEW.id AND h.remaining_after = 0)
       OR NEW.returned <> (SELECT coalesce(sum(h.amount), 0) FROM ledger_holdevent h
                           WHERE h.hold = NEW.id AND h.kind = 'captured')
       OR (NEW.reversal_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM transactions_transaction r WHERE r.id = NEW.reversal_id AND r.reverses_id = NEW.transaction_id
              AND r.state = 'completed' AND r.amount = NEW.returned))
    THEN
        RAISE EXCEPTION 'recall %: hold, reversal and what was returned disagree', NEW.id USING ERRCODE = 'TK032';
    END IF;
    RETURN NULL;
END $$;
