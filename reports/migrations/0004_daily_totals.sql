CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reports_summedday
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reports_daytotal
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

-- The entries of a day, or of a part of one, without an index on every row: both tables only grow, nearly in the order of
-- these columns, so the least and the greatest of each few pages are enough. Business times may stray: hence several ranges.
CREATE INDEX reports_entry_recorded ON ledger_entry USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX reports_journal_effective ON ledger_journal USING brin (effective_at timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);
