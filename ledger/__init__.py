"""The books: accounts, journals, entries, holds. Double entry, append-only, exact balances, guarded by PostgreSQL.

Owns every balance and is the only writer of one. Knows nothing of customers, wallets or transactions: an account has a
code, and a movement is lines on accounts.
"""
