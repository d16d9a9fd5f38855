DROP TRIGGER keep_freezes ON wallets_freeze;
DROP TRIGGER keep_row ON wallets_freeze;
DROP TRIGGER keep_wallets ON wallets_wallet;
DROP TRIGGER keep_row ON wallets_wallet;
