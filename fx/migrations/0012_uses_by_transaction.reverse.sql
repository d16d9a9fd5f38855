ALTER TABLE fx_quoteuse ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE fx_quoteuse ALTER COLUMN id DROP DEFAULT;
ALTER TABLE fx_quoteuse DROP CONSTRAINT fx_quoteuse_pkey;
ALTER TABLE fx_quoteuse ADD CONSTRAINT fx_quoteuse_pkey PRIMARY KEY (id);
ALTER TABLE fx_quoteuse ADD CONSTRAINT fx_quoteuse_transaction_key UNIQUE (transaction);

CREATE OR REPLACE FUNCTION fx_check_use() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    uses record;
BEGIN
    SELECT count(*) AS written, count(q.id) AS known,
           count(*) FILTER (WHERE u.at > q.expires_at OR u.at < q.created_at) AS too_late,
           count(*) FILTER (WHERE u.at NOT BETWEEN clock_timestamp() - interval '5 minutes'
                                              AND clock_timestamp() + interval '1 minute') AS elsewhen
        INTO uses FROM added u LEFT JOIN fx_quote q ON q.id = u.quote_id;
    IF uses.known <> uses.written THEN
        RAISE EXCEPTION 'a quote that is used is there' USING ERRCODE = '23503';
    END IF;
    IF uses.too_late > 0 THEN
        RAISE EXCEPTION 'a quote is used within its time' USING ERRCODE = 'TK042';
    END IF;
    IF uses.elsewhen > 0 THEN
        RAISE EXCEPTION 'a quote is used now' USING ERRCODE = 'TK043';
    END IF;
    INSERT INTO fx_provideruse AS p (provider_id, sell, buy, day, expires_at, promised, used)
    SELECT l.provider_id, l.sell, l.buy, (q.created_at AT TIME ZONE 'UTC')::date, q.expires_at, 0,
           sum(l.sell_minor)::bigint
    FROM added u JOIN fx_quote q ON q.id = u.quote_id JOIN fx_routeleg l ON l.decision_id = q.decision_id
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (provider_id, sell, buy, day, expires_at) DO UPDATE SET used = p.used + excluded.used;
    RETURN NULL;
END $$;
