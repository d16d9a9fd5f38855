-- Out of the hold is captured what the reversal takes from the recipient: where they bore a fee that goes back with it, that is
-- less than what goes back to the sender.
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
       OR (SELECT coalesce(sum(h.amount), 0) FROM ledger_holdevent h WHERE h.hold = NEW.id AND h.kind = 'captured')
          <> (SELECT coalesce(sum(e.amount), 0) FROM ledger_entry e JOIN wallets_wallet w ON w.account_id = e.account_id
              WHERE e.journal_id = NEW.reversal_id AND e.side = 1 AND w.id = NEW.wallet_id)
       OR (NEW.reversal_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM transactions_transaction r WHERE r.id = NEW.reversal_id AND r.reverses_id = NEW.transaction_id
              AND r.state = 'completed' AND r.amount = NEW.returned))
    THEN
        RAISE EXCEPTION 'recall %: hold, reversal and what was returned disagree', NEW.id USING ERRCODE = 'TK032';
    END IF;
    RETURN NULL;
END $$;
