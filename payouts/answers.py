"""The same answer to the same Idempotency-Key, byte for byte: kept with what was done, in one database transaction."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from core.ids import uuid7
from payouts.models import Answer
from transactions.errors import IdempotencyKeyReused

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


class Told(NamedTuple):
    status: int
    body: str
    replayed: bool = False


def once(caller: str, key: str, asked: Any, act: Callable[[], tuple[int, dict[str, Any]]]) -> Told:
    """What ``act`` answers, or has answered to this key before. A refusal that it raises is kept of nothing.

    Args:
        asked: what the key stands for; another under the same key is refused.
    Raises: IdempotencyKeyReused, and what ``act`` raises. Locks: the key, then what ``act`` does.
    """
    fingerprint = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK, [f"payouts {caller} {key}"])
        if past := Answer.objects.filter(caller=caller, key=key).first():
            if past.fingerprint != fingerprint:
                raise IdempotencyKeyReused()
            return Told(past.status, past.body, replayed=True)
        status, body = act()
        text = msgspec.json.encode(body).decode()
        Answer.objects.create(
            id=uuid7(), caller=caller, key=key, fingerprint=fingerprint, status=status, body=text, at=timezone.now()
        )
    return Told(status, text)
