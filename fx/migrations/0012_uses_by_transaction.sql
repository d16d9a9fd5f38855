-- A use goes by the id of its transaction. Its quote is looked up once, to be judged and to be counted.
ALTER TABLE fx_quoteuse DROP COLUMN id;
ALTER TABLE fx_quoteuse DROP CONSTRAINT fx_quoteuse_transaction_key;
ALTER TABLE fx_quoteuse ADD CONSTRAINT fx_quoteuse_pkey PRIMARY KEY (transaction);

CREATE OR REPLACE FUNCTION fx_check_use() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    uses record;
BEGIN
    WITH looked AS MATERIALIZED (
        SELECT u.at, q.id, q.decision_id, q.created_at, q.expires_at
        FROM added u LEFT JOIN fx_quote q ON q.id = u.quote_id
    ), counted AS (
        INSERT INTO fx_provideruse AS p (provider_id, sell, buy, day, expires_at, promised, used)
        SELECT l.provider_id, l.sell, l.buy, (q.created_at AT TIME ZONE 'UTC')::date, q.expires_at, 0,
               sum(l.sell_minor)::bigint
        FROM looked q JOIN fx_routeleg l ON l.decision_id = q.decision_id
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (provider_id, sell, buy, day, expires_at) DO UPDATE SET used = p.used + excluded.used
    )
    SELECT count(*) AS written, count(id) AS known,
           count(*) FILTER (WHERE at > expires_at OR at < created_at) AS too_late,
           count(*) FILTER (WHERE at NOT BETWEEN clock_timestamp() - interval '5 minutes'
                                             AND clock_timestamp() + interval '1 minute') AS elsewhen
        INTO uses FROM looked;
    IF uses.known <> uses.written THEN
        RAISE EXCEPTION 'a quote that is used is there' USING ERRCODE = '23503';
    END IF;
    IF uses.too_late > 0 THEN
        RAISE EXCEPTION 'a quote is used within its time' USING ERRCODE = 'TK042';
    END IF;
    IF uses.elsewhen > 0 THEN
        RAISE EXCEPTION 'a quote is used now' USING ERRCODE = 'TK043';
    END IF;
    RETURN NULL;
END $$;
