"""What staff write down about a customer, a wallet, a transaction or a case, and the files they add: never edited.

Any staff page can show notes: its admin class takes `notes.admin.Noted`. What customers read is not here.
"""
