"""The door for staff to figures, proofs and files."""

from reports.admin import books, entries, exports, fee_income, papers, proofs, saved

__all__ = ["books", "entries", "exports", "fee_income", "papers", "proofs", "saved"]
