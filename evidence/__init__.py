"""Tamper evidence: one hash chain over everything that says what happened, sealed behind the commits, never in them.

Owns blocks, heads and checks of the chain; what it seals belongs to other apps, and none of them knows of it.
"""
