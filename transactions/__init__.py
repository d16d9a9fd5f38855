"""Every way money moves: what people see of it, the rules that decide it, and the one road to the books.

`posting.py` is that road, `journals.py` the accounting, `services/` one file per kind of movement, `rails/` the banks.
"""
