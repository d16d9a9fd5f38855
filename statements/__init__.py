"""Statements of wallets, read from the ledger's entries: any days on demand in five formats, numbered by the clock.

Owns how often and in what form a customer wants them, and the register of those that were made. Figures are the books';
what a movement is called is the history's; a file is made anew each time and kept nowhere.
"""
