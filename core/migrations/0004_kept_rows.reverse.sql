DROP FUNCTION tekana_keep_row();
