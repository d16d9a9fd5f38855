-- What finance reads of the books, one line an entry. With the reader's own rights: the view opens no table to anybody.
CREATE VIEW reports_entryline WITH (security_invoker = true) AS
SELECT e.account_id || '-' || e.seq AS id,
       e.account_id, e.seq, a.code AS account_code, a.name AS account_name,
       e.journal_id, j.kind, j.reference,
       e.currency, e.side, e.amount,
       CASE e.side WHEN 1 THEN e.amount END AS debit,
       CASE e.side WHEN -1 THEN e.amount END AS credit,
       e.balance_after, j.effective_at, e.recorded_at
FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account_id
JOIN ledger_journal j ON j.id = e.journal_id;
