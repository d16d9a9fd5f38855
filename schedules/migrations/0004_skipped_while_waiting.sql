-- A run that waits may be skipped, too, by a step that has its event.

CREATE OR REPLACE FUNCTION schedules_check_run() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('due', 'skipped') OR NEW.tries <> 0 OR NEW.transaction_id IS NOT NULL THEN
            RAISE EXCEPTION 'run %: born waiting, or skipped', NEW.id USING ERRCODE = 'TK030';
        END IF;
        IF NOT EXISTS (SELECT FROM schedules_orderversion v WHERE v.id = NEW.version_id AND v.order_id = NEW.order_id) THEN
            RAISE EXCEPTION 'run %: of a version of another order', NEW.id USING ERRCODE = 'TK031';
        END IF;
        RETURN NULL;
    END IF;
    IF NEW.state = 'skipped' AND (OLD.state <> 'due' OR NEW.transaction_id IS DISTINCT FROM OLD.transaction_id) THEN
        RAISE EXCEPTION 'run %: only what waits is skipped', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF NEW.state = 'skipped' AND NOT EXISTS (
        SELECT FROM schedules_orderevent e WHERE e.order_id = NEW.order_id AND e.run_id = NEW.id AND e.kind = 'skipped')
    THEN
        RAISE EXCEPTION 'run %: no event says that it was skipped', NEW.id USING ERRCODE = 'TK031';
    END IF;
    IF NEW.tries NOT IN (OLD.tries, OLD.tries + 1)
       OR (OLD.state = 'stuck' AND NEW.state NOT IN ('stuck', 'due', 'stopped')) THEN
        RAISE EXCEPTION 'run %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF NEW.transaction_id IS DISTINCT FROM OLD.transaction_id AND NOT EXISTS (
        SELECT FROM transactions_transaction t JOIN schedules_standingorder o ON o.id = NEW.order_id
        JOIN schedules_orderversion v ON v.id = NEW.version_id
        WHERE t.id = NEW.transaction_id AND t.kind = 'transfer' AND t.payer_id = o.wallet_id AND t.payee_id = o.payee_id
          AND t.amount = v.amount AND t.caller = 'customer:' || o.customer_id
          AND t.idempotency_key = 'standing-order:' || o.id || ':' || NEW.due_on || ':' || OLD.tries
          AND (t.state = 'failed') = (NEW.state <> 'completed'))
    THEN
        RAISE EXCEPTION 'run %: this is not its transfer', NEW.id USING ERRCODE = 'TK033';
    END IF;
    IF NEW.state = 'completed' AND NEW.transaction_id IS NOT DISTINCT FROM OLD.transaction_id THEN
        RAISE EXCEPTION 'run %: paid by nothing new', NEW.id USING ERRCODE = 'TK033';
    END IF;
    RETURN NULL;
END $$;
