"""Who our customers are, how they sign in, which KYC tier they are on and what that tier allows.

A customer is a principal of its own, never a Django user: no bug can turn one into a member of staff.
"""
