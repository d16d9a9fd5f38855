"""Standing orders: a customer's wish to pay somebody on certain dates, what became of each; calendars of business
days, which the dates follow. How a payment is decided and posted is left to `transactions`."""
