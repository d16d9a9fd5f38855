DROP TRIGGER check_withdrawal ON notes_note;
DROP FUNCTION notes_check_withdrawal();
DROP TRIGGER append_only ON notes_note;
