"""Standing orders as staff see them.

`orders.py` is their list and the story of one, `runs.py` what became of their dates, `calendars.py` the days that are
no business days, `panels.py` what this app adds to the pages of customers, wallets and transactions, `shown.py` how an
order looks wherever it is met.
"""

from schedules.admin import calendars, orders, panels, runs

__all__ = ["calendars", "orders", "panels", "runs"]
