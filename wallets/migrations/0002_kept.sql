-- A wallet never changes hands, currency or account, and is closed once; a freeze is lifted once.
CREATE TRIGGER keep_row BEFORE UPDATE ON wallets_wallet
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('closed_at', 'closed_at');
CREATE TRIGGER keep_wallets BEFORE DELETE OR TRUNCATE ON wallets_wallet
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
CREATE TRIGGER keep_row BEFORE UPDATE ON wallets_freeze
    FOR EACH ROW EXECUTE FUNCTION tekana_keep_row('lifted_at', 'lifted_at,lifted_by,lift_reason');
CREATE TRIGGER keep_freezes BEFORE DELETE OR TRUNCATE ON wallets_freeze
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
