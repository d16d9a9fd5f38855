"""A customer's wallet in one currency: opening, reading, freezing, closing. Its money is a ledger account's."""
