"""Exchange: rates and where they come from, who sells us currency at which terms, routes, margins and quotes.

It says what a conversion would cost and keeps that promise; it posts nothing. Who converts (`transactions`) asks for a
quote, takes it under the lock of the wallets, and writes the books.
"""
