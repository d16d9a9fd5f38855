"""The door for staff to figures, proofs and files."""

from reports.admin import books, entries, exports, papers, proofs, saved

__all__ = ["books", "entries", "exports", "papers", "proofs", "saved"]
