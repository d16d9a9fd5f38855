-- A request begins undecided, is decided once, and is otherwise what it was when it was made. That the checker is another
-- than the maker, and a rejection says why, are CHECKs of the table itself. SQLSTATE TK015: born decided.
CREATE FUNCTION staff_check_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'approval %: a request begins undecided', NEW.id USING ERRCODE = 'TK015';
END $$;
CREATE TRIGGER check_birth BEFORE INSERT ON staff_approval
    FOR EACH ROW WHEN (NEW.state <> 'open' OR NEW.comment <> '' OR NEW.result IS NOT NULL)
    EXECUTE FUNCTION staff_check_approval();
CREATE TRIGGER keep_row BEFORE UPDATE ON staff_approval
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('decided_at', 'state,checker_id,comment,decided_at,result,assigned_to_id');
CREATE TRIGGER keep_approvals BEFORE DELETE OR TRUNCATE ON staff_approval
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
