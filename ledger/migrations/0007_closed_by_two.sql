-- No member of staff closes a period alone. What was closed before two were needed stays as it is.
ALTER TABLE ledger_periodclose ADD CONSTRAINT period_closed_by_two
    CHECK (closed_by <> approved_by AND (approved_by <> '' OR NOT starts_with(closed_by, 'staff:'))) NOT VALID;
