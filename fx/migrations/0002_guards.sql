-- What holds of exchange for any client, raw SQL and the owner included: nothing is rewritten; a quote is used once (a unique
-- key), within its time, and by a time that is now.
-- SQLSTATEs: TK001 append-only, TK042 expired, TK043 not the time.

CREATE FUNCTION fx_check_use() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER check_use AFTER INSERT ON fx_quoteuse REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION fx_check_use();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_ratesource
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_rateload
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_rate
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_provider
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_providerterms
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_providerswitch
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_margin
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_routingdecision
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_routeleg
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_quote
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_quoteuse
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
