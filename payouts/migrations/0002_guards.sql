-- What holds of payouts for any client, raw SQL and the owner included: a batch is what it was sent in as, moves by a step that
-- has its event, and of a business is approved by somebody else than who made it, or within what that somebody has set. An
-- item is what was approved; once paid it stays so, and was paid by its own transaction. Who approves has been asked.
-- SQLSTATEs: TK001 append-only, TK011 immutable, TK030 state, TK031 event missing, TK033 transaction disagrees, TK034 maker is
-- checker.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payouts_batchevent
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payouts_answer
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payouts_alonelimit
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_batches BEFORE DELETE OR TRUNCATE ON payouts_batch
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_items BEFORE DELETE OR TRUNCATE ON payouts_item
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_approvers BEFORE DELETE OR TRUNCATE ON payouts_approver
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON payouts_batch FOR EACH ROW EXECUTE FUNCTION tekana_keep_row(
    '', 'state,posted,posted_amount,posted_fees,refused,refusal_line,refusal_code,approved_by_id,approved_at,begun_at,finished_at,due_at,runs,attempts,quarantined_at');
CREATE TRIGGER keep_row BEFORE UPDATE ON payouts_approver FOR EACH ROW EXECUTE FUNCTION tekana_keep_row(
    'ended_at', 'state,accepted_at,ended_at,ended_by_id');

CREATE FUNCTION payouts_alone(business uuid, asked_in text) RETURNS bigint LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT l.amount FROM payouts_alonelimit l WHERE l.business_id = business AND l.currency = asked_in
                     ORDER BY l.id DESC LIMIT 1), 0)
$$;
CREATE FUNCTION payouts_approves(business uuid, person uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM payouts_approver a WHERE a.business_id = business AND a.approver_id = person
                   AND a.state = 'active')
$$;

CREATE FUNCTION payouts_check_birth() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state NOT IN ('draft', 'validated') OR NEW.posted <> 0 OR NEW.refused <> 0 OR NEW.posted_amount <> 0 THEN
        RAISE EXCEPTION 'payout %: born with nothing paid', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF NOT EXISTS (SELECT FROM payouts_batchevent e
                   WHERE e.batch_id = NEW.id AND e.from_state = '' AND e.to_state = NEW.state) THEN
        RAISE EXCEPTION 'payout %: born with its event', NEW.id USING ERRCODE = 'TK031';
    END IF;
    IF NOT EXISTS (SELECT FROM wallets_wallet w WHERE w.id = NEW.wallet_id AND w.customer_id = NEW.customer_id
                   AND w.currency = NEW.currency) THEN
        RAISE EXCEPTION 'payout %: out of another wallet', NEW.id USING ERRCODE = 'TK033';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_birth AFTER INSERT ON payouts_batch FOR EACH ROW EXECUTE FUNCTION payouts_check_birth();

CREATE FUNCTION payouts_check_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    found record;
BEGIN
    IF OLD.approved_by_id IS NOT NULL AND (NEW.approved_by_id, NEW.approved_at) IS DISTINCT FROM
       (OLD.approved_by_id, OLD.approved_at) THEN
        RAISE EXCEPTION 'payout %: approved once', NEW.id USING ERRCODE = 'TK011';
    END IF;
    IF NEW.posted < OLD.posted OR NEW.posted_amount < OLD.posted_amount THEN
        RAISE EXCEPTION 'payout %: what is paid stays paid', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF OLD.state = NEW.state THEN
        RETURN NULL;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('validated', 'approved'), ('approved', 'posting'), ('posting', 'completed'), ('posting', 'failed'),
        ('draft', 'cancelled'), ('validated', 'cancelled'), ('approved', 'cancelled'), ('posting', 'cancelled'),
        ('completed', 'approved'), ('failed', 'approved')) THEN
        RAISE EXCEPTION 'payout %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF NOT EXISTS (SELECT FROM payouts_batchevent e
                   WHERE e.batch_id = NEW.id AND e.from_state = OLD.state AND e.to_state = NEW.state) THEN
        RAISE EXCEPTION 'payout %: no event says that it became %', NEW.id, NEW.state USING ERRCODE = 'TK031';
    END IF;
    IF OLD.state = 'validated' AND NEW.state = 'approved' THEN
        IF NEW.approved_by_id = NEW.made_by_id THEN
            IF NEW.total > payouts_alone(NEW.customer_id, NEW.currency) AND EXISTS (
                SELECT FROM customers_customer c
                WHERE c.id = NEW.customer_id AND c.account_type NOT IN ('individual', 'freelancer')) THEN
                RAISE EXCEPTION 'payout %: approved by who made it', NEW.id USING ERRCODE = 'TK034';
            END IF;
        ELSIF NOT payouts_approves(NEW.customer_id, NEW.approved_by_id) THEN
            RAISE EXCEPTION 'payout %: approved by nobody who may', NEW.id USING ERRCODE = 'TK034';
        END IF;
        SELECT count(*) AS items, coalesce(sum(i.amount), 0) AS amount INTO found FROM payouts_item i WHERE i.batch_id = NEW.id;
        IF (found.items, found.amount) <> (NEW.lines, NEW.total) THEN
            RAISE EXCEPTION 'payout %: its items are not what it says', NEW.id USING ERRCODE = 'TK033';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_move AFTER UPDATE ON payouts_batch FOR EACH ROW EXECUTE FUNCTION payouts_check_move();

-- Items come with their batch, and change set-wise: one look at all of them.
CREATE FUNCTION payouts_check_new_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows n JOIN payouts_batch b ON b.id = n.batch_id
               WHERE b.state <> 'validated' OR n.state <> 'waiting' OR n.tries <> 0) THEN
        RAISE EXCEPTION 'items are born waiting, of a payout that nobody has approved yet' USING ERRCODE = 'TK030';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_new_items AFTER INSERT ON payouts_item REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_check_new_items();

CREATE FUNCTION payouts_check_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.id INTO wrong FROM new_rows n FULL JOIN old_rows o ON o.id = n.id
    WHERE n.id IS NULL OR o.id IS NULL
       OR (n.batch_id, n.line, n.to_by, n.to_value, n.wallet_id, n.amount, n.name, n.memo, n.reference)
          IS DISTINCT FROM (o.batch_id, o.line, o.to_by, o.to_value, o.wallet_id, o.amount, o.name, o.memo, o.reference)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: what it is never changes', wrong.id USING ERRCODE = 'TK011';
    END IF;
    SELECT n.id, o.state AS before, n.state AS after INTO wrong FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE (o.state, n.state, n.tries - o.tries)
          NOT IN (('waiting', 'paid', 1), ('waiting', 'refused', 1), ('refused', 'waiting', 0))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: % cannot become %', wrong.id, wrong.before, wrong.after USING ERRCODE = 'TK030';
    END IF;
    SELECT n.id INTO wrong
    FROM new_rows n JOIN old_rows o ON o.id = n.id JOIN payouts_batch b ON b.id = n.batch_id
    LEFT JOIN transactions_transaction t ON t.id = n.transaction_id
    WHERE n.transaction_id IS NOT NULL AND n.state <> 'waiting'
      AND (t.kind, t.payer_id, t.payee_id, t.amount, t.caller, t.idempotency_key, t.state)
          IS DISTINCT FROM ('payout', b.wallet_id, n.wallet_id, n.amount, 'job:payouts',
                            'payout-' || b.id || '-' || n.line || '-' || o.tries,
                            CASE n.state WHEN 'paid' THEN 'completed' ELSE 'failed' END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item %: this is not its transaction', wrong.id USING ERRCODE = 'TK033';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_items AFTER UPDATE ON payouts_item REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_check_items();

CREATE FUNCTION payouts_check_approver() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'invited' THEN
        RAISE EXCEPTION 'approver %: is asked first', NEW.id USING ERRCODE = 'TK030';
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.state, NEW.state) NOT IN (('invited', 'active'), ('invited', 'ended'), ('active', 'ended')) THEN
        RAISE EXCEPTION 'approver %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF NEW.ended_by_id NOT IN (NEW.business_id, NEW.approver_id) THEN
        RAISE EXCEPTION 'approver %: ended by neither side', NEW.id USING ERRCODE = 'TK034';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_approver AFTER INSERT OR UPDATE ON payouts_approver
    FOR EACH ROW EXECUTE FUNCTION payouts_check_approver();

CREATE FUNCTION payouts_check_alone() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.set_by_id = NEW.business_id THEN
        IF NEW.amount > payouts_alone(NEW.business_id, NEW.currency) THEN
            RAISE EXCEPTION 'limit %: raised by the owner', NEW.id USING ERRCODE = 'TK034';
        END IF;
    ELSIF NOT payouts_approves(NEW.business_id, NEW.set_by_id) THEN
        RAISE EXCEPTION 'limit %: set by nobody who may', NEW.id USING ERRCODE = 'TK034';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_alone BEFORE INSERT ON payouts_alonelimit FOR EACH ROW EXECUTE FUNCTION payouts_check_alone();
