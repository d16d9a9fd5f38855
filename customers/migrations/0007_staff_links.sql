-- A link between staff and a customer is ended once and is otherwise history; and whoever is linked to a customer decides no
-- request about them. A request names its customers in `about`, which never changes. SQLSTATE TK017: the checker is linked.
CREATE TRIGGER keep_row BEFORE UPDATE ON customers_stafflink
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('ended_at', 'ended_at,ended_by_id,end_reason');
CREATE TRIGGER keep_links BEFORE DELETE OR TRUNCATE ON customers_stafflink
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

CREATE FUNCTION customers_check_checker() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM customers_stafflink l WHERE l.staff_id = NEW.checker_id AND l.ended_at IS NULL
                 AND 'customers.customer:' || l.customer_id = ANY (NEW.about))
       OR EXISTS (SELECT FROM staff_user u JOIN customers_customer c ON c.email = lower(u.email)
                  WHERE u.id = NEW.checker_id AND 'customers.customer:' || c.id = ANY (NEW.about))
    THEN
        RAISE EXCEPTION 'approval %: who decides is linked to whom it is about', NEW.id USING ERRCODE = 'TK017';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_checker BEFORE UPDATE ON staff_approval
    FOR EACH ROW WHEN (NEW.checker_id IS NOT NULL AND OLD.checker_id IS NULL) EXECUTE FUNCTION customers_check_checker();
