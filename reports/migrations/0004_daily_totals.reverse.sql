DROP INDEX reports_journal_effective;
DROP INDEX reports_entry_recorded;
DROP TRIGGER append_only ON reports_daytotal;
DROP TRIGGER append_only ON reports_summedday;
