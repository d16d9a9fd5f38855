DROP TRIGGER check_moves ON transactions_transaction;
DROP TRIGGER check_births ON transactions_transaction;
DROP TRIGGER keep_transactions ON transactions_transaction;
DROP TRIGGER append_only ON transactions_feerule;
DROP TRIGGER append_only ON transactions_event;
DROP FUNCTION transactions_check_moves();
DROP FUNCTION transactions_check_births();
