"""The verbs: one file for each way money moves. A verb says what is wanted; `posting.py` knows how it is posted.

Each takes ``post``: the doors of the API pass `poster.submit` (the default, group commit); admin actions, tasks,
commands and tests pass `posting.post_one`, which also joins an open database transaction.
"""
