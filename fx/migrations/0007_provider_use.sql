-- What of a provider's day is gone. A row counts the trades of all quotes that expire at one moment: until then what they
-- promise, after it what of them was used. So nothing has to be given back when a quote expires, and a use that commits
-- later than its quote expired counts when it does. What has expired is folded into one row of the day.
-- Set-wise, by keys, in the order of the unique key, and by these triggers alone.
-- SQLSTATE: TK044 written by hand.

CREATE FUNCTION fx_count_promised() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    is_new boolean;
BEGIN
    WITH counted AS (
        INSERT INTO fx_provideruse AS p (provider_id, sell, buy, day, expires_at, promised, used)
        SELECT l.provider_id, l.sell, l.buy, (q.created_at AT TIME ZONE 'UTC')::date, q.expires_at,
               sum(l.sell_minor)::bigint, 0
        FROM added q JOIN fx_routeleg l ON l.decision_id = q.decision_id
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (provider_id, sell, buy, day, expires_at) DO UPDATE SET promised = p.promised + excluded.promised
        RETURNING p.xmax = 0 AS inserted
    )
    SELECT bool_or(inserted) INTO is_new FROM counted;
    IF is_new THEN  -- the first of its moment tidies up
        WITH over AS (
            SELECT DISTINCT p.id FROM added q JOIN fx_routeleg l ON l.decision_id = q.decision_id
            JOIN fx_provideruse p ON p.provider_id = l.provider_id AND p.sell = l.sell AND p.buy = l.buy
                AND p.day >= (q.created_at AT TIME ZONE 'UTC')::date - 1
            WHERE p.expires_at < clock_timestamp() AND p.expires_at > p.day::timestamp AT TIME ZONE 'UTC'
        ), free AS (
            SELECT id FROM fx_provideruse WHERE id IN (SELECT id FROM over) ORDER BY id FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM fx_provideruse WHERE id IN (SELECT id FROM free) RETURNING provider_id, sell, buy, day, used
        )
        INSERT INTO fx_provideruse AS p (provider_id, sell, buy, day, expires_at, promised, used)
        SELECT provider_id, sell, buy, day, day::timestamp AT TIME ZONE 'UTC', 0, sum(used)::bigint
        FROM gone GROUP BY 1, 2, 3, 4 HAVING sum(used) > 0 ORDER BY 1, 2, 3, 4
        ON CONFLICT (provider_id, sell, buy, day, expires_at) DO UPDATE SET used = p.used + excluded.used;
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

-- Made before the rows are counted, and lock: quotes wait until the migration is through, and nothing goes uncounted.
CREATE TRIGGER count_promised AFTER INSERT ON fx_quote REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION fx_count_promised();
CREATE TRIGGER count_used AFTER INSERT ON fx_quoteuse REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION fx_count_used();

INSERT INTO fx_provideruse (provider_id, sell, buy, day, expires_at, promised, used)
SELECT l.provider_id, l.sell, l.buy, day, CASE WHEN is_open THEN q.expires_at ELSE day::timestamp AT TIME ZONE 'UTC' END,
       sum(CASE WHEN is_open THEN l.sell_minor ELSE 0 END)::bigint,
       sum(CASE WHEN u.id IS NULL THEN 0 ELSE l.sell_minor END)::bigint
FROM fx_quote q JOIN fx_routeleg l ON l.decision_id = q.decision_id LEFT JOIN fx_quoteuse u ON u.quote_id = q.id,
     LATERAL (SELECT (q.created_at AT TIME ZONE 'UTC')::date AS day, q.expires_at >= clock_timestamp() AS is_open) its
GROUP BY 1, 2, 3, 4, 5;

CREATE FUNCTION fx_counted_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what is used of a provider is counted, not written' USING ERRCODE = 'TK044';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER counted_alone BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON fx_provideruse
    FOR EACH STATEMENT EXECUTE FUNCTION fx_counted_alone();
