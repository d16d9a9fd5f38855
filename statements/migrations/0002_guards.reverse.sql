DROP TRIGGER check_new ON statements_statement;
DROP FUNCTION statements_check_new();
DROP TRIGGER append_only ON statements_statement;
