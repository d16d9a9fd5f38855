-- What holds of recalls for any client, raw SQL and the owner included: born open with their hold and their event; moved once,
-- by a step that has its event, when nothing is held any more and what they say was given back was.
-- SQLSTATEs: TK001 append-only, TK011 immutable, TK030 state, TK031 event missing, TK032 hold or reversal disagrees.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON recalls_recallevent
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_recalls BEFORE DELETE OR TRUNCATE ON recalls_recall
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON recalls_recall
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('closed_at', 'state,closed_at,closed_by,returned,reversal_id');

CREATE FUNCTION recalls_check_birth() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'open' THEN
        RAISE EXCEPTION 'recall %: born open', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF NOT EXISTS (SELECT FROM recalls_recallevent e WHERE e.recall_id = NEW.id AND e.from_state = '' AND e.to_state = 'open')
    THEN
        RAISE EXCEPTION 'recall %: born with its event', NEW.id USING ERRCODE = 'TK031';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger_holdevent h JOIN wallets_wallet w ON w.account_id = h.account_id
                   WHERE h.hold = NEW.id AND h.kind = 'placed' AND h.amount = NEW.held AND w.id = NEW.wallet_id
                     AND w.customer_id = NEW.recipient_id AND w.currency = NEW.currency)
       OR NOT EXISTS (SELECT FROM transactions_transaction t JOIN wallets_wallet w ON w.id = t.payer_id
                      WHERE t.id = NEW.transaction_id AND t.payee_id = NEW.wallet_id AND w.customer_id = NEW.sender_id)
    THEN
        RAISE EXCEPTION 'recall %: what it says is held for whom is not', NEW.id USING ERRCODE = 'TK032';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_birth AFTER INSERT ON recalls_recall FOR EACH ROW EXECUTE FUNCTION recalls_check_birth();

CREATE FUNCTION recalls_check_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER check_move AFTER UPDATE ON recalls_recall FOR EACH ROW EXECUTE FUNCTION recalls_check_move();
