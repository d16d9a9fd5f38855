CREATE OR REPLACE FUNCTION ledger_check_journals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    journals uuid[];
    whole bigint;
BEGIN
    SELECT array_agg(id) INTO journals FROM new_rows;
    SELECT count(DISTINCT journal_id) INTO whole FROM ledger_entry WHERE journal_id = ANY (journals);
    IF whole <> coalesce(cardinality(journals), 0) THEN
        RAISE EXCEPTION 'a journal was written without entries' USING ERRCODE = 'TK002';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER check_period ON ledger_periodclose;
DROP FUNCTION ledger_check_period();
DROP TRIGGER append_only ON ledger_periodclose;
