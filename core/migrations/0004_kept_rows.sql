-- For rows that live a little before they are history. Attached to a table with two arguments:
--   the column that ends its life ('' for none): once that is set, nothing changes any more
--   the columns that may change until then, separated by commas
-- Nobody deletes such a row, the owner included.
CREATE FUNCTION tekana_keep_row() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    mutable text[] := string_to_array(TG_ARGV[1], ',');
BEGIN
    IF to_jsonb(NEW) - mutable IS DISTINCT FROM before - mutable THEN
        RAISE EXCEPTION '% %: what it is never changes', TG_TABLE_NAME, before ->> 'id' USING ERRCODE = 'TK011';
    END IF;
    IF TG_ARGV[0] <> '' AND before ->> TG_ARGV[0] IS NOT NULL AND to_jsonb(NEW) <> before THEN
        RAISE EXCEPTION '% %: it is history', TG_TABLE_NAME, before ->> 'id' USING ERRCODE = 'TK011';
    END IF;
    RETURN NEW;
END $$;
