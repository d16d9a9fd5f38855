-- Write a quote with its decision and trades, unless providers have not as much left of their day as it takes: whether it was written.
-- ``codes``: of the providers with a daily cap, in order; quotes that name one of them wait for each other. Each statement sees what was
-- committed before it began, and so what a rival was promised while this one waited.
CREATE FUNCTION fx_keep_quote(codes text[], limits json, decision json, legs json, quote json) RETURNS boolean
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF cardinality(codes) > 0 THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('fx:cap:' || code, 0)) FROM unnest(codes) AS p (code);
        IF EXISTS (
            SELECT FROM json_to_recordset(limits)
                AS n(provider uuid, sell text, buy text, takes bigint, cap bigint, day date, at timestamptz)
            WHERE takes > cap - (
                SELECT coalesce(sum(CASE WHEN u.expires_at >= n.at THEN u.promised ELSE u.used END), 0)
                FROM fx_provideruse u
                WHERE u.provider_id = n.provider AND u.sell = n.sell AND u.buy = n.buy AND u.day = n.day
            )
        ) THEN
            RETURN false;
        END IF;
    END IF;
    INSERT INTO fx_routingdecision SELECT * FROM json_populate_recordset(NULL::fx_routingdecision, decision);
    INSERT INTO fx_routeleg SELECT * FROM json_populate_recordset(NULL::fx_routeleg, legs);
    INSERT INTO fx_quote SELECT * FROM json_populate_recordset(NULL::fx_quote, quote);
    RETURN true;
END $$;
