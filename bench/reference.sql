-- The machine's own limit: one transfer as one function, by hand, with what no ledger can do without: a transfer row, two
-- entries with running balances, two balances, a floor, a unique key, one durable commit. No fees, limits, events, answers.
DROP SCHEMA IF EXISTS reference CASCADE;
CREATE SCHEMA reference;
CREATE TABLE reference.account (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0), seq bigint NOT NULL)
    WITH (fillfactor = 70);
CREATE TABLE reference.transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client_id int NOT NULL, key text NOT NULL, debit int NOT NULL,
    credit int NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (client_id, key));
CREATE TABLE reference.entry (
    account_id int, seq bigint, transfer_id bigint NOT NULL, amount bigint NOT NULL, balance_after bigint NOT NULL,
    PRIMARY KEY (account_id, seq));
INSERT INTO reference.account SELECT id, 1000000000, 0 FROM generate_series(1, 100000) id;
CREATE FUNCTION reference.transfer(payer int, payee int, cents bigint, client int, client_key text) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    made bigint;
BEGIN
    PERFORM FROM reference.account WHERE id IN (payer, payee) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO reference.transfer (client_id, key, debit, credit, amount) VALUES (client, client_key, payer, payee, cents)
        RETURNING id INTO made;
    WITH moved AS (
        UPDATE reference.account SET balance = balance + CASE id WHEN payer THEN -cents ELSE cents END, seq = seq + 1
        WHERE id IN (payer, payee) RETURNING id, seq, balance)
    INSERT INTO reference.entry SELECT id, seq, made, CASE id WHEN payer THEN -cents ELSE cents END, balance FROM moved;
    RETURN made;
END $$;
ANALYZE reference.account;
