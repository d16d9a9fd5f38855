"""Staff see what a customer's app shows: read-only, for a quarter of an hour, with a reason, and the customer is told.

The pages are made of the API's own answers. Here, too, is what customers may know of who has seen their account.
"""
