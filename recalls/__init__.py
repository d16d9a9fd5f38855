"""Recalls: somebody claims a payment back. What is left at the recipient is held until they agree, refuse or let the
time pass; what they agree to goes back by a reversal. Moving money is left to `transactions`."""
