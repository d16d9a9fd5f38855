DROP TRIGGER count_uses ON payments_requestuse;
DROP FUNCTION payments_count_uses();
DROP TRIGGER check_request ON payments_paymentrequest;
DROP FUNCTION payments_check_request();
DROP TRIGGER keep_row ON payments_paymentrequest;
DROP TRIGGER keep_requests ON payments_paymentrequest;
DROP TRIGGER append_only ON payments_requestuse;
