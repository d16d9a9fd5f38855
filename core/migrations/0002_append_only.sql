-- What history means: rows are added, never changed or removed, by nobody, raw SQL and the owner included.
CREATE FUNCTION tekana_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'TK001';
END $$;

-- Not even a TRUNCATE … CASCADE from another table passes: it fires the triggers of every table it reaches.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditrecord
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
