"""The counters of `core.guesses` as a customer meets them: as refusals."""

import math

import redis

from core import guesses
from customers.errors import SignInUnavailable, TooManyAttempts

PURPOSE = "customers"


def count_guess(account: str | None = None) -> None:
    """Count one guess, before it is evaluated, at ``account``: a principal, or what was typed when nobody has it.

    Raises: TooManyAttempts with ``retry_after``; SignInUnavailable when Valkey does not answer.
    """
    try:
        seconds = guesses.take(PURPOSE, account)
    except redis.RedisError as exc:
        raise SignInUnavailable(retry_after=2) from exc
    if seconds:
        raise TooManyAttempts(f"Try again in {math.ceil(seconds / 60)} min.", retry_after=seconds)


def forgive(account: str | None = None) -> None:
    """It was right."""
    guesses.give_back(PURPOSE, account)
