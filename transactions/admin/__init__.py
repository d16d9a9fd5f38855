"""What staff see of movements: the list, the page that tells a transaction's story, and the reversal dialog.

`transactions.py` is list and page, `timeline.py` the story, `reversing.py` the dialog, `refusals.py` the answers to
"why was I refused?", `messages.py` what rails told us, `finding.py` the search, `panels.py` what this app adds to the
pages of customers and wallets, `rules.py` fees and reversal reasons, `shown.py` how a transaction looks wherever it is
met.
"""

from transactions.admin import finding, messages, panels, rules, transactions

__all__ = ["finding", "messages", "panels", "rules", "transactions"]
