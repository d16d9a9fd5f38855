"""Rounds of the clock: what is due is seen to one by one, each in a database transaction of its own."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

logger = logging.getLogger(__name__)


def each(due: Iterable[Any], see_to: Callable[[Any], int]) -> int:
    """See to each in turn; the sum of what `see_to` returned.

    One that fails stops no other: without that, the oldest of them would hold up all behind it, round after round.
    Its failure is logged with the row's id, and the first of them is raised at the end, so that the round counts as
    failed. Without a database the round ends at once.
    """
    done, first = 0, None
    for one in due:
        try:
            done += see_to(one)
        except Exception as exc:
            if not connection.is_usable():
                raise
            logger.exception("one of a round could not be seen to", extra={"subject": str(one)})
            first = first or exc
    if first is not None:
        raise first
    return done
