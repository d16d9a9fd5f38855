DROP TRIGGER check_adjustment ON transactions_transaction;
DROP FUNCTION transactions_check_adjustment();
