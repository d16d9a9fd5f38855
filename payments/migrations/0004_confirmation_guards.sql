-- Where a requester confirms, a use is a hold, and its answer a row of its own: that frees the use again where nothing was taken.
-- SQLSTATEs: TK001 append-only, TK034 use disagrees with its payment, TK036 answer disagrees with its hold.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments_useanswer
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

CREATE OR REPLACE FUNCTION payments_count_uses() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    broken record;
BEGIN
    SELECT n.id INTO broken FROM new_rows n
        LEFT JOIN payments_paymentrequest r ON r.id = n.request_id
        LEFT JOIN transactions_transaction t ON t.id = n.id
        LEFT JOIN wallets_wallet w ON w.id = t.payer_id
        WHERE r.id IS NULL OR t.id IS NULL OR t.state = 'failed' OR n.is_promise <> r.needs_confirmation
           OR t.kind <> CASE WHEN n.is_promise THEN 'hold' ELSE 'payment' END
           OR t.payee_id IS DISTINCT FROM r.wallet_id OR w.customer_id IS DISTINCT FROM n.payer_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'use %: it is no payment of its payer into the wallet that asks', broken.id USING ERRCODE = 'TK034';
    END IF;
    UPDATE payments_paymentrequest r SET used = r.used + n.uses
        FROM (SELECT request_id, count(*) AS uses FROM new_rows GROUP BY request_id) n WHERE r.id = n.request_id;
    RETURN NULL;
END $$;

CREATE FUNCTION payments_count_answer() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM payments_requestuse u JOIN transactions_transaction h ON h.id = u.id
        WHERE u.id = NEW.use_id AND u.is_promise AND CASE NEW.outcome
            WHEN 'confirmed' THEN EXISTS (SELECT FROM transactions_transaction p WHERE p.id = NEW.payment
                                          AND p.hold_id = h.id AND p.state <> 'failed')
            WHEN 'rejected' THEN h.state = 'cancelled'
            ELSE h.state = 'expired' END)
    THEN
        RAISE EXCEPTION 'answer to %: its hold says something else', NEW.use_id USING ERRCODE = 'TK036';
    END IF;
    IF NEW.outcome <> 'confirmed' THEN
        UPDATE payments_paymentrequest r SET used = r.used - 1
            FROM payments_requestuse u WHERE u.id = NEW.use_id AND r.id = u.request_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_answer AFTER INSERT ON payments_useanswer
    FOR EACH ROW EXECUTE FUNCTION payments_count_answer();
