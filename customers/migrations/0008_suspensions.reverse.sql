DROP TRIGGER keep_suspensions ON customers_suspension;
DROP TRIGGER keep_row ON customers_suspension;
