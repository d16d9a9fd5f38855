"""Payouts in bulk: a file of up to 10,000 items is read, checked, approved and paid out of one wallet.

Owns batches, their items, and who approves for a business; how an item is paid is the road of `transactions`.
"""
