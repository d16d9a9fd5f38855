-- A period that is closed takes no journal (TK007). It is over by ten minutes when it is closed, so that only journals dated
-- further back than that need to look; those and a close wait for each other.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_periodclose
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

CREATE FUNCTION ledger_check_period() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger periods', 0));
    IF NEW.closed_before > clock_timestamp() - interval '10 minutes' THEN
        RAISE EXCEPTION 'a period is closed ten minutes after its end, not before' USING ERRCODE = 'TK007';
    END IF;
    IF EXISTS (SELECT FROM ledger_periodclose WHERE closed_before >= NEW.closed_before) THEN
        RAISE EXCEPTION 'this period is closed already' USING ERRCODE = 'TK007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_period BEFORE INSERT ON ledger_periodclose
    FOR EACH ROW EXECUTE FUNCTION ledger_check_period();

-- A journal arrives together with its entries, and not in a closed period.
CREATE OR REPLACE FUNCTION ledger_check_journals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    journals uuid[];
    whole bigint;
    oldest timestamptz;
BEGIN
    SELECT array_agg(id), min(effective_at) FILTER (WHERE effective_at < clock_timestamp() - interval '10 minutes')
        INTO journals, oldest FROM new_rows;
    SELECT count(DISTINCT journal_id) INTO whole FROM ledger_entry WHERE journal_id = ANY (journals);
    IF whole <> coalesce(cardinality(journals), 0) THEN
        RAISE EXCEPTION 'a journal was written without entries' USING ERRCODE = 'TK002';
    END IF;
    IF oldest IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger periods', 0));  -- a rival's close is seen below
        IF EXISTS (SELECT FROM ledger_periodclose WHERE closed_before > oldest) THEN
            RAISE EXCEPTION 'a journal belongs to a period that is closed' USING ERRCODE = 'TK007';
        END IF;
    END IF;
    RETURN NULL;
END $$;
