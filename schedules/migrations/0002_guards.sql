-- What holds of standing orders for any client, raw SQL and the owner included: an order is born with its first version and its
-- event, what it is never changes, its state moves by a step that has its event, and the latest date that has a run never
-- goes back. A run is born waiting or skipped, never comes back from what it came to, and was paid by its own transfer.
-- SQLSTATEs: TK001 append-only, TK011 immutable, TK030 state, TK031 event or version missing, TK033 transfer disagrees.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON schedules_orderversion
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON schedules_orderevent
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON schedules_weekend
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON schedules_holidayrule
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON schedules_holiday
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_orders BEFORE DELETE OR TRUNCATE ON schedules_standingorder
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_runs BEFORE DELETE OR TRUNCATE ON schedules_orderrun
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON schedules_standingorder FOR EACH ROW EXECUTE FUNCTION tekana_keep_row(
    'closed_at', 'state,version,paused_by,closed_at,next_number,next_on,next_at,last_on,counted');
CREATE TRIGGER keep_row BEFORE UPDATE ON schedules_orderrun FOR EACH ROW EXECUTE FUNCTION tekana_keep_row(
    'done_at', 'state,due_at,tries,attempts,taken_until,done_at,transaction_id,refusal_code');

CREATE FUNCTION schedules_check_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    step text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'active' OR NEW.version <> 1 OR NEW.last_on IS NOT NULL OR NEW.counted <> 0 THEN
            RAISE EXCEPTION 'standing order %: born active, without runs', NEW.id USING ERRCODE = 'TK030';
        END IF;
        step := 'created';
    ELSE
        IF OLD.last_on IS NOT NULL AND (NEW.last_on IS NULL OR NEW.last_on < OLD.last_on) THEN
            RAISE EXCEPTION 'standing order %: dates that have a run do not come again', NEW.id USING ERRCODE = 'TK030';
        END IF;
        IF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
            RAISE EXCEPTION 'standing order %: versions follow each other', NEW.id USING ERRCODE = 'TK030';
        END IF;
        IF OLD.state = NEW.state THEN
            RETURN NULL;
        END IF;
        IF (OLD.state, NEW.state) NOT IN (('active', 'paused'), ('paused', 'active'), ('active', 'ended'),
                                          ('active', 'cancelled'), ('paused', 'cancelled')) THEN
            RAISE EXCEPTION 'standing order %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
        END IF;
        step := CASE NEW.state WHEN 'active' THEN 'resumed' ELSE NEW.state END;
    END IF;
    IF NOT EXISTS (SELECT FROM schedules_orderevent e WHERE e.order_id = NEW.id AND e.kind = step)
       OR NOT EXISTS (SELECT FROM schedules_orderversion v WHERE v.order_id = NEW.id AND v.number = NEW.version) THEN
        RAISE EXCEPTION 'standing order %: no event or version says so', NEW.id USING ERRCODE = 'TK031';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_order AFTER INSERT OR UPDATE ON schedules_standingorder
    FOR EACH ROW EXECUTE FUNCTION schedules_check_order();

CREATE FUNCTION schedules_check_run() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
    IF NEW.state = 'skipped' OR NEW.tries NOT IN (OLD.tries, OLD.tries + 1)
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
CREATE TRIGGER check_run AFTER INSERT OR UPDATE ON schedules_orderrun
    FOR EACH ROW EXECUTE FUNCTION schedules_check_run();
