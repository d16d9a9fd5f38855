"""What staff see of movements: the list, the page that tells a transaction's story, and the reversal dialog.

`transactions.py` is list and page, `timeline.py` the story, `reversing.py` the dialog, `refusals.py` the answers to
"why was I refused?", `messages.py` what rails told us, `outcomes.py` what they did not tell, `finding.py` the search,
`panels.py` what this app adds to the pages of customers and wallets, `receivables.py` what recipients owe us,
`rules.py` fees and reasons to reverse, `exchange.py` what exchanging has left us with, `revaluing.py` what that is
worth, `waivers.py` what customers are spared of fees, `what_if.py` a price tried on what was, `shown.py` how a
transaction looks wherever it is met.
"""

from transactions.admin import (
    exchange,
    finding,
    messages,
    outcomes,
    panels,
    receivables,
    revaluing,
    rules,
    transactions,
    waivers,
    what_if,
)

__all__ = [
    "exchange", "finding", "messages", "outcomes", "panels", "receivables", "revaluing", "rules", "transactions",
    "waivers", "what_if",
]  # fmt: skip
