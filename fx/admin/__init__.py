"""The door for staff: rates and where they come from, providers and margins, quotes and how they were routed."""

from fx import services

__all__ = ["services"]
