-- The guards of the books. They fire once per statement, at its end, over all rows it wrote (transition tables), so entries
-- and the balances they lead to must be written by one statement, and a balance on its own cannot be written at all.
-- A plan is made at the first batch of a session and kept, so it must suit one row and thousands, small tables and large:
-- big tables are reached row by row through an index (arrays, LATERAL ... OFFSET 0), transition tables are joined by hash.
-- Their search_path is their own: a temporary table named like one of ours, which any session may make, is not looked at.
-- SQLSTATEs: TK001 append-only, TK002 unbalanced, TK003 entry chain, TK004 account, TK005 hold chain, TK006 over-reversed.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journal
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_holdevent
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_accounts BEFORE DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();


-- A journal arrives together with its entries.
CREATE FUNCTION ledger_check_journals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    journals uuid[];
    whole bigint;
BEGIN
    SELECT array_agg(id) INTO journals FROM new_rows;
    SELECT count(DISTINCT journal_id) INTO whole FROM ledger_entry WHERE journal_id = ANY (journals);
    IF whole <> coalesce(cardinality(journals), 0) THEN
        RAISE EXCEPTION 'a journal was written without entries' USING ERRCODE = 'TK002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_journals AFTER INSERT ON ledger_journal REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_journals();


CREATE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    journals uuid[];
    originals uuid[];
    written bigint;
    counted bigint;
    broken record;
BEGIN
    SELECT array_agg(DISTINCT journal_id), count(*) INTO journals, written FROM new_rows;
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
        LEFT JOIN LATERAL (SELECT id, currency, normal_side, seq, posted FROM ledger_account
                           WHERE id = n.account_id OFFSET 0) a ON true
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
CREATE TRIGGER check_entries AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_entries();


-- An account begins at nothing.
CREATE FUNCTION ledger_check_new_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows WHERE posted <> 0 OR held <> 0 OR seq <> 0 OR hold_seq <> 0) THEN
        RAISE EXCEPTION 'an account begins at zero' USING ERRCODE = 'TK004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_new_accounts AFTER INSERT ON ledger_account REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_new_accounts();


-- An account says what its last entry and its last hold event say; what it is never changes.
CREATE FUNCTION ledger_check_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on AS $$
DECLARE
    broken record;
BEGIN
    SELECT o.id,
           CASE WHEN n.id IS NULL OR (n.code, n.currency, n.normal_side, n.created_at)
                        IS DISTINCT FROM (o.code, o.currency, o.normal_side, o.created_at)
                     OR n.floor IS DISTINCT FROM o.floor THEN 'its identity and floor never change'
                WHEN o.closed_at IS NOT NULL AND (n.closed_at, n.seq, n.hold_seq)
                        IS DISTINCT FROM (o.closed_at, o.seq, o.hold_seq) THEN 'it is closed'
                WHEN n.seq < o.seq OR n.hold_seq < o.hold_seq OR n.last_at < o.last_at
                    THEN 'its numbers and times never go back'
                WHEN n.last_at IS DISTINCT FROM o.last_at AND n.seq = o.seq AND n.hold_seq = o.hold_seq
                    THEN 'nothing happened that would be its last time'
                ELSE 'its balance is not that of its last entry'
           END AS why
        INTO broken
        FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
        WHERE n.id IS NULL
           OR (n.code, n.currency, n.normal_side, n.created_at)
               IS DISTINCT FROM (o.code, o.currency, o.normal_side, o.created_at)
           OR n.floor IS DISTINCT FROM o.floor
           OR (o.closed_at IS NOT NULL AND (n.closed_at, n.seq, n.hold_seq)
               IS DISTINCT FROM (o.closed_at, o.seq, o.hold_seq))
           OR n.seq < o.seq
           OR n.hold_seq < o.hold_seq
           OR n.last_at < o.last_at
           OR (n.last_at IS DISTINCT FROM o.last_at AND n.seq = o.seq AND n.hold_seq = o.hold_seq)
           -- scalar, not EXISTS: that could be planned as a hash over all entries
           OR ((n.posted <> o.posted OR n.seq <> o.seq)
               AND n.posted IS DISTINCT FROM (SELECT e.balance_after FROM ledger_entry e
                                              WHERE e.account_id = n.id AND e.seq = n.seq))
           OR ((n.held <> o.held OR n.hold_seq <> o.hold_seq)
               AND n.held IS DISTINCT FROM (SELECT h.held_after FROM ledger_holdevent h
                                            WHERE h.account_id = n.id AND h.seq = n.hold_seq))
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account %: %', broken.id, broken.why USING ERRCODE = 'TK004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_accounts AFTER UPDATE ON ledger_account REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_accounts();


-- Holds: the account's chain as for entries; and of each hold: placed first, ended within what was placed.
CREATE FUNCTION ledger_check_hold_events() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    holds uuid[];
    broken record;
BEGIN
    SELECT array_agg(DISTINCT hold) INTO holds FROM new_rows;
    IF holds IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT n.account_id, n.seq INTO broken
        FROM (SELECT *, lag(seq) OVER w AS before_seq, lag(held_after) OVER w AS before_held,
                     lag(recorded_at) OVER w AS before_at, lead(seq) OVER w IS NULL AS is_last
              FROM new_rows WINDOW w AS (PARTITION BY account_id ORDER BY seq)) n
        LEFT JOIN LATERAL (SELECT id, hold_seq, held FROM ledger_account WHERE id = n.account_id OFFSET 0) a ON true
        LEFT JOIN LATERAL (SELECT h.seq, h.held_after, h.recorded_at FROM ledger_holdevent h
                           WHERE n.before_seq IS NULL AND h.account_id = n.account_id AND h.seq = n.seq - 1
                           OFFSET 0) p ON true
        WHERE a.id IS NULL
           OR n.seq <> coalesce(n.before_seq, p.seq, 0) + 1
           OR n.held_after <> coalesce(n.before_held, p.held_after, 0)
                              + CASE n.kind WHEN 'placed' THEN n.amount ELSE -n.amount END
           OR n.recorded_at <= coalesce(n.before_at, p.recorded_at)
           OR (n.is_last AND (n.seq <> a.hold_seq OR n.held_after <> a.held))
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'hold event % of account % does not follow', broken.seq, broken.account_id USING ERRCODE = 'TK005';
    END IF;
    SELECT h.hold INTO broken
        FROM (SELECT *, row_number() OVER w AS position, lag(remaining_after) OVER w AS before_remaining,
                     count(*) OVER (PARTITION BY hold, account_id) <> count(*) OVER (PARTITION BY hold) AS elsewhere
              FROM ledger_holdevent WHERE hold = ANY (holds) WINDOW w AS (PARTITION BY hold ORDER BY seq)) h
        WHERE elsewhere
           OR (kind = 'placed') <> (position = 1)
           OR remaining_after <> CASE kind WHEN 'placed' THEN amount ELSE before_remaining - amount END
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'hold %: more than remains, or not placed first', broken.hold USING ERRCODE = 'TK005';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_hold_events AFTER INSERT ON ledger_holdevent REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_hold_events();


-- Balance updates rewrite the row in place (HOT): leave room for them on each page.
ALTER TABLE ledger_account SET (fillfactor = 70);


-- The number of the last entry (hold event) of an account at or before an instant: a bisection of the primary key, at most
-- some 60 look-ups however long the history, because recorded_at grows with the number.
CREATE FUNCTION ledger_entry_at(account bigint, instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
BEGIN
    SELECT seq INTO high FROM ledger_account WHERE id = account;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT recorded_at FROM ledger_entry WHERE account_id = account AND seq = middle) <= instant THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
CREATE FUNCTION ledger_hold_event_at(account bigint, instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
BEGIN
    SELECT hold_seq INTO high FROM ledger_account WHERE id = account;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT recorded_at FROM ledger_holdevent WHERE account_id = account AND seq = middle) <= instant THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
