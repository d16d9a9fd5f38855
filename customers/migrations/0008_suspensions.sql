-- A suspension is ended once, by somebody, and is otherwise history.
CREATE TRIGGER keep_row BEFORE UPDATE ON customers_suspension
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('ended_at', 'ended_at,ended_by,end_reason');
CREATE TRIGGER keep_suspensions BEFORE DELETE OR TRUNCATE ON customers_suspension
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
