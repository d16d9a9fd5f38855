-- What holds of notes for any client, raw SQL and the owner included.
-- SQLSTATEs: TK001 append-only, TK020 a withdrawal that withdraws nothing.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notes_note
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

-- A withdrawal is about the object of its note, and not about a withdrawal; it has no file of its own.
CREATE FUNCTION notes_check_withdrawal() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM notes_note n WHERE n.id = NEW.withdraws_id AND n.withdraws_id IS NULL
                   AND (n.subject_type, n.subject_id) = (NEW.subject_type, NEW.subject_id)) OR NEW.sha256 <> '' THEN
        RAISE EXCEPTION 'note % withdraws no note of the same object', NEW.id USING ERRCODE = 'TK020';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_withdrawal BEFORE INSERT ON notes_note
    FOR EACH ROW WHEN (NEW.withdraws_id IS NOT NULL) EXECUTE FUNCTION notes_check_withdrawal();
