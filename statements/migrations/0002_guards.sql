-- What holds of statements that are kept, for any client, raw SQL and the owner included: they are never changed; numbers have
-- no gaps; each begins where the one before it ended, with its balance; figures are those of the wallet's entries.
-- SQLSTATEs: TK001 append-only, TK060 figures, TK061 chain.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statements_statement
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();

CREATE FUNCTION statements_check_new() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    account bigint;
    before statements_statement%ROWTYPE;
    moved record;
BEGIN
    SELECT * INTO before FROM statements_statement s WHERE s.wallet_id = NEW.wallet_id AND s.number = NEW.number - 1;
    IF NEW.number > 1 AND (before.id IS NULL OR before.seq_last <> NEW.seq_before OR before.closing <> NEW.opening
                           OR before.to_day + 1 <> NEW.from_day OR before.ends_at > NEW.starts_at) THEN
        RAISE EXCEPTION 'statement % of wallet %: it does not begin where the one before it ended', NEW.number, NEW.wallet_id
            USING ERRCODE = 'TK061';
    END IF;
    SELECT w.account_id INTO account FROM wallets_wallet w WHERE w.id = NEW.wallet_id AND w.currency = NEW.currency;
    SELECT coalesce(sum(e.amount) FILTER (WHERE e.side = 1), 0) AS debits,
           coalesce(sum(e.amount) FILTER (WHERE e.side = -1), 0) AS credits,
           count(*) FILTER (WHERE e.side = 1) AS debit_count, count(*) FILTER (WHERE e.side = -1) AS credit_count
    INTO moved FROM ledger_entry e WHERE e.account_id = account AND e.seq > NEW.seq_before AND e.seq <= NEW.seq_last;
    IF account IS NULL
       OR (moved.debits, moved.credits, moved.debit_count, moved.credit_count)
          <> (NEW.debits, NEW.credits, NEW.debit_count, NEW.credit_count)
       OR NEW.opening <> coalesce((SELECT balance_after FROM ledger_entry
                                   WHERE account_id = account AND seq = NEW.seq_before), 0)
       OR NEW.closing <> coalesce((SELECT balance_after FROM ledger_entry
                                   WHERE account_id = account AND seq = NEW.seq_last), 0)
    THEN
        RAISE EXCEPTION 'statement % of wallet %: the entries come to something else', NEW.number, NEW.wallet_id
            USING ERRCODE = 'TK060';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_new AFTER INSERT ON statements_statement FOR EACH ROW EXECUTE FUNCTION statements_check_new();
