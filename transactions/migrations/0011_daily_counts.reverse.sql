DROP TRIGGER count_handed_on ON transactions_outboxentry;
DROP FUNCTION transactions_count_handed_on();
