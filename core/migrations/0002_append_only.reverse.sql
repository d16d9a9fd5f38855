DROP TRIGGER append_only ON core_auditrecord;
DROP FUNCTION tekana_refuse_change();
