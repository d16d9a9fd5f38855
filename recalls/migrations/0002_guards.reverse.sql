DROP TRIGGER check_move ON recalls_recall;
DROP FUNCTION recalls_check_move();
DROP TRIGGER check_birth ON recalls_recall;
DROP FUNCTION recalls_check_birth();
DROP TRIGGER keep_row ON recalls_recall;
DROP TRIGGER keep_recalls ON recalls_recall;
DROP TRIGGER append_only ON recalls_recallevent;
