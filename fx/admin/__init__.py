"""The door for staff: rates and where they come from, providers and margins, quotes and how they were routed."""

from fx.admin import providers, quotes, rates

__all__ = ["providers", "quotes", "rates"]
