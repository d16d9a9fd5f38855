CREATE OR REPLACE FUNCTION fx_check_use() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM added u JOIN fx_quote q ON q.id = u.quote_id
               WHERE u.at > q.expires_at OR u.at < q.created_at) THEN
        RAISE EXCEPTION 'a quote is used within its time' USING ERRCODE = 'TK042';
    END IF;
    IF EXISTS (SELECT FROM added u WHERE u.at NOT BETWEEN clock_timestamp() - interval '5 minutes'
                                                      AND clock_timestamp() + interval '1 minute') THEN
        RAISE EXCEPTION 'a quote is used now' USING ERRCODE = 'TK043';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION fx_count_used() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO fx_provideruse AS p (provider_id, sell, buy, day, expires_at, promised, used)
    SELECT l.provider_id, l.sell, l.buy, (q.created_at AT TIME ZONE 'UTC')::date, q.expires_at, 0,
           sum(l.sell_minor)::bigint
    FROM added u JOIN fx_quote q ON q.id = u.quote_id JOIN fx_routeleg l ON l.decision_id = q.decision_id
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (provider_id, sell, buy, day, expires_at) DO UPDATE SET used = p.used + excluded.used;
    RETURN NULL;
END $$;

CREATE TRIGGER count_used AFTER INSERT ON fx_quoteuse REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION fx_count_used();
