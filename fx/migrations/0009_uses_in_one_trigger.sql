-- A use of a quote is looked at once: that there is such a quote, that it is its time, and what it takes of a provider's day.
-- Set-wise in place of a foreign key, which looked for each quote with a statement of its own and locked its row: quotes are
-- append-only, so one that is there when its use is written is there for good.
-- SQLSTATEs: 23503 no such quote, TK042 expired, TK043 not the time.
DROP TRIGGER count_used ON fx_quoteuse;
DROP FUNCTION fx_count_used();

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
