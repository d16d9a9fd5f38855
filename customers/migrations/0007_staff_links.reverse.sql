DROP TRIGGER check_checker ON staff_approval;
DROP FUNCTION customers_check_checker();
DROP TRIGGER keep_links ON customers_stafflink;
DROP TRIGGER keep_row ON customers_stafflink;
