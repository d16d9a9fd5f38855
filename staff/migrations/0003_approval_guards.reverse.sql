DROP TRIGGER keep_approvals ON staff_approval;
DROP TRIGGER keep_row ON staff_approval;
DROP TRIGGER check_birth ON staff_approval;
DROP FUNCTION staff_check_approval();
