ALTER TABLE evidence_block ALTER COLUMN leaves SET STORAGE EXTENDED;
DROP TRIGGER append_only ON evidence_check;
DROP TRIGGER append_only ON evidence_publication;
DROP TRIGGER append_only ON evidence_block;
DROP TRIGGER append_only ON evidence_form;
