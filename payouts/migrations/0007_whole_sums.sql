-- What the owner of a business approved alone within 24 hours counts together, and a payout that is over says what its items say.
CREATE OR REPLACE FUNCTION payouts_check_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
        ('draft', 'expired'), ('validated', 'expired'), ('completed', 'approved'), ('failed', 'approved')) THEN
        RAISE EXCEPTION 'payout %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF NOT EXISTS (SELECT FROM payouts_batchevent e
                   WHERE e.batch_id = NEW.id AND e.from_state = OLD.state AND e.to_state = NEW.state) THEN
        RAISE EXCEPTION 'payout %: no event says that it became %', NEW.id, NEW.state USING ERRCODE = 'TK031';
    END IF;
    IF OLD.state = 'validated' AND NEW.state = 'approved' THEN
        IF NEW.approved_by_id = NEW.made_by_id THEN
            SELECT coalesce(sum(b.total), 0) AS amount INTO found FROM payouts_batch b
            WHERE b.customer_id = NEW.customer_id AND b.currency = NEW.currency AND b.approved_by_id = NEW.customer_id
              AND b.approved_at > NEW.approved_at - interval '24 hours' AND b.id <> NEW.id;
            IF NEW.total + found.amount > payouts_alone(NEW.customer_id, NEW.currency) AND EXISTS (
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
    IF NEW.state IN ('completed', 'failed', 'cancelled') AND NEW.errors_total = 0 THEN
        SELECT count(*) FILTER (WHERE i.state = 'paid') AS paid, count(*) FILTER (WHERE i.state = 'refused') AS refused,
               coalesce(sum(i.amount) FILTER (WHERE i.state = 'paid'), 0) AS amount INTO found
        FROM payouts_item i WHERE i.batch_id = NEW.id;
        IF (found.paid, found.refused, found.amount) IS DISTINCT FROM
           (NEW.posted::bigint, NEW.refused::bigint, NEW.posted_amount::numeric)
           OR NEW.state = 'completed' AND found.paid + found.refused <> NEW.lines THEN
            RAISE EXCEPTION 'payout %: its figures are not those of its items', NEW.id USING ERRCODE = 'TK033';
        END IF;
    END IF;
    RETURN NULL;
END $$;
