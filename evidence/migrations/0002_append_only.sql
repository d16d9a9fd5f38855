-- Blocks, their forms, what was sent out and what checks found are history like that which they guard.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_form
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_block
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_publication
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_check
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

-- Hashes cannot be compressed; trying to would cost more than everything else.
ALTER TABLE evidence_block ALTER COLUMN leaves SET STORAGE EXTERNAL;
