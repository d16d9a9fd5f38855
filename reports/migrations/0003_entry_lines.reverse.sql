DROP VIEW reports_entryline;
