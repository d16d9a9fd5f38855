DROP TRIGGER count_answer ON payments_useanswer;
DROP FUNCTION payments_count_answer();
DROP TRIGGER append_only ON payments_useanswer;
CREATE OR REPLACE FUNCTION payments_count_uses() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
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
