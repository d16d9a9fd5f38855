-- What holds of payment requests for any client, raw SQL and the owner included: what is asked for never changes, what is closed
-- stays closed, a use is a payment into the wallet that asks, by its payer, and the counter is the number of uses: a trigger
-- keeps it, a CHECK on the row (payment_request_never_overused) holds it below what is allowed, and nobody else sets it.
-- SQLSTATEs: TK001 append-only, TK011 immutable, TK030 state, TK034 use disagrees with its payment, TK035 counter.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments_requestuse
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_requests BEFORE DELETE OR TRUNCATE ON payments_paymentrequest
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON payments_paymentrequest FOR EACH ROW EXECUTE FUNCTION tekana_keep_row(
    '', 'state,used,closed_at,closed_by,close_reason');

CREATE FUNCTION payments_check_request() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' OR NEW.used <> 0 THEN
            RAISE EXCEPTION 'payment request %: born open and unused', NEW.id USING ERRCODE = 'TK030';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (('open', 'cancelled'), ('open', 'expired'))
       OR OLD.state = NEW.state AND (OLD.closed_at, OLD.closed_by, OLD.close_reason)
                                    IS DISTINCT FROM (NEW.closed_at, NEW.closed_by, NEW.close_reason) THEN
        RAISE EXCEPTION 'payment request %: % cannot become %', NEW.id, OLD.state, NEW.state USING ERRCODE = 'TK030';
    END IF;
    IF OLD.used <> NEW.used AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'payment request %: its uses count themselves', NEW.id USING ERRCODE = 'TK035';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_request BEFORE INSERT OR UPDATE ON payments_paymentrequest
    FOR EACH ROW EXECUTE FUNCTION payments_check_request();

CREATE FUNCTION payments_count_uses() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    broken record;
BEGIN
    SELECT n.id INTO broken FROM new_rows n
        LEFT JOIN payments_paymentrequest r ON r.id = n.request_id
        LEFT JOIN transactions_transaction t ON t.id = n.id
        LEFT JOIN wallets_wallet w ON w.id = t.payer_id
        WHERE r.id IS NULL OR t.id IS NULL OR t.state = 'failed' OR t.kind <> 'payment'
           OR t.payee_id IS DISTINCT FROM r.wallet_id OR w.customer_id IS DISTINCT FROM n.payer_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'use %: it is no payment of its payer into the wallet that asks', broken.id USING ERRCODE = 'TK034';
    END IF;
    UPDATE payments_paymentrequest r SET used = r.used + n.uses
        FROM (SELECT request_id, count(*) AS uses FROM new_rows GROUP BY request_id) n WHERE r.id = n.request_id;
    RETURN NULL;
END $$;
CREATE TRIGGER count_uses AFTER INSERT ON payments_requestuse REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION payments_count_uses();
