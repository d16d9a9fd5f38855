-- An account that a batch has many entries on, as it has on those of fees and positions, is looked up once for them all: each look-up
-- of it walks past the versions that earlier batches left behind. What came before is different for each entry, and not worth
-- remembering. All else of ledger_check_entries is as in 0009_result_of_exchanges.sql.
CREATE OR REPLACE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_memoize = off AS $$
DECLARE
    journals uuid[];
    accounts bigint[];
    originals uuid[];
    written bigint;
    counted bigint;
    broken record;
BEGIN
    SELECT array_agg(DISTINCT journal_id), array_agg(DISTINCT account_id), count(*) INTO journals, accounts, written
        FROM new_rows;
    IF written = 0 THEN
        RETURN NULL;
    END IF;

    -- Every journal exists, and all its entries are these: nothing is added to a journal that was posted before.
    SELECT count(*), array_agg(DISTINCT reverses_id ORDER BY reverses_id) FILTER (WHERE reverses_id IS NOT NULL)
        INTO counted, originals FROM ledger_journal WHERE id = ANY (journals);
    IF counted <> cardinality(journals) THEN
        RAISE EXCEPTION 'an entry names a journal that does not exist' USING ERRCODE = 'TK003';
    END IF;
    SELECT count(*) INTO counted FROM ledger_entry WHERE journal_id = ANY (journals);
    IF counted <> written THEN
        RAISE EXCEPTION 'entries were added to a journal already posted' USING ERRCODE = 'TK003';
    END IF;

    SELECT journal_id, currency, sum(side * amount) AS rest INTO broken
        FROM new_rows GROUP BY journal_id, currency HAVING sum(side * amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % is unbalanced by % minor units of %', broken.journal_id, broken.rest, broken.currency
            USING ERRCODE = 'TK002';
    END IF;

    -- Each account: numbers without a gap, times that grow, balances that follow, the last one being the account's own.
    SELECT n.account_id, n.seq,
           CASE WHEN a.id IS NULL THEN 'there is no such account'
                WHEN n.currency <> a.currency THEN 'currency differs from the account''s'
                WHEN n.seq <> coalesce(n.before_seq, p.seq, 0) + 1 THEN 'a gap before this number'
                WHEN n.balance_after <> coalesce(n.before_balance, p.balance_after, 0) + n.side * a.normal_side * n.amount
                    THEN 'balance_after does not follow'
                WHEN n.recorded_at <= coalesce(n.before_at, p.recorded_at) THEN 'recorded_at does not grow'
                WHEN n.is_last AND (n.seq <> a.seq OR n.balance_after <> a.posted) THEN 'the account does not say the same'
           END AS why
        INTO broken
        FROM (SELECT *, lag(seq) OVER w AS before_seq, lag(balance_after) OVER w AS before_balance,
                     lag(recorded_at) OVER w AS before_at, lead(seq) OVER w IS NULL AS is_last
              FROM new_rows WINDOW w AS (PARTITION BY account_id ORDER BY seq)) n
        -- FULL though none of these is without an entry: it is never done by a loop in a loop, whatever the plan was made for
        FULL JOIN (SELECT id, currency, normal_side, seq, posted FROM ledger_account WHERE id = ANY (accounts)) a
            ON a.id = n.account_id
        LEFT JOIN LATERAL (SELECT e.seq, e.balance_after, e.recorded_at FROM ledger_entry e
                           WHERE n.before_seq IS NULL AND e.account_id = n.account_id AND e.seq = n.seq - 1
                           OFFSET 0) p ON true  -- looked up, never joined: a hot account has no end of entries
        WHERE a.id IS NULL
           OR n.currency <> a.currency
           OR n.seq <> coalesce(n.before_seq, p.seq, 0) + 1
           OR n.balance_after <> coalesce(n.before_balance, p.balance_after, 0) + n.side * a.normal_side * n.amount
           OR n.recorded_at <= coalesce(n.before_at, p.recorded_at)
           OR (n.is_last AND (n.seq <> a.seq OR n.balance_after <> a.posted))
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % of account %: %', broken.seq, broken.account_id, broken.why USING ERRCODE = 'TK003';
    END IF;

    -- Reversals of one journal never add up to more than it moved. The advisory lock makes rivals wait for each other; what
    -- the first of them wrote is then seen, except from the one old snapshot of a stricter isolation level.
    IF originals IS NOT NULL THEN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'a journal is reversed at READ COMMITTED' USING ERRCODE = 'TK006';
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('reverses:' || o::text, 0)) FROM unnest(originals) o;
        SELECT j.reverses_id AS id, e.currency INTO broken
            FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id AND e.side = 1
            JOIN ledger_account a ON a.id = e.account_id AND NOT (
                starts_with(a.code, 'income:fx_result:') AND EXISTS (
                    SELECT FROM ledger_entry x WHERE x.journal_id = j.reverses_id AND x.currency <> e.currency))
            WHERE j.reverses_id = ANY (originals)
            GROUP BY j.reverses_id, e.currency
            HAVING sum(e.amount) > coalesce((SELECT sum(o.amount) FROM ledger_entry o
                                             WHERE o.journal_id = j.reverses_id AND o.side = 1
                                               AND o.currency = e.currency), 0)
            LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'reversals of journal % exceed it', broken.id USING ERRCODE = 'TK006';
        END IF;
    END IF;
    RETURN NULL;
END $$;
