"""The audit trail: one call per act, in the same database transaction as the act itself; one row per look at a page.

An act says who in which role did what to what, before and after, why, from where, in which request and through which
door. A look says who saw what: a page, a list with its filters, what was searched for, as far as it names nobody.
"""

import re
from typing import Any

from django.db import models
from django.utils.crypto import salted_hmac

from core import context
from core.models import AuditRecord

LONGEST_SUBJECT = 64
# Ids, receipts and principals: letters and digits together. Names, numbers and addresses of people are none.
CODE = re.compile(r"(?=.*[0-9])(?=.*[a-z])[0-9a-z-]{8,36}|(staff|customer|rail|job):[0-9a-z_-]+")
LONGEST_SHOWN = 4


def actor_name(actor: Any) -> str:
    """``staff:3``, ``customer:0192…``: the principal's own ``principal`` property; ``system`` for None."""
    return "system" if actor is None else actor if isinstance(actor, str) else actor.principal


def role_of(actor: Any) -> str:
    """The role of staff at that moment; of all others what kind of principal they are."""
    kind = actor_name(actor).partition(":")[0]
    return getattr(actor, "role", "") or (context.role.get() if kind == "staff" else "") or kind


def record(
    *, actor: Any, action: str, subject: models.Model, before: Any = None, after: Any = None, reason: str = ""
) -> AuditRecord:
    return AuditRecord.objects.create(
        actor=actor_name(actor),
        role=role_of(actor),
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        before=before,
        after=after,
        reason=reason,
        **where(),
    )


def looked(*, actor: Any, action: str, subject_type: str, subject_id: str = "", at: dict[str, Any]) -> None:
    """Somebody saw something: one INSERT, before it is shown. ``at`` says of a list which part of it."""
    AuditRecord.objects.create(
        actor=actor_name(actor),
        role=role_of(actor),
        action=action,
        subject_type=subject_type,
        subject_id=subject_id[:LONGEST_SUBJECT],
        after=at or None,
        look=True,
        **where(),
    )


def where() -> dict[str, Any]:
    return {
        "request_id": context.request_id.get(),
        "ip": context.client_ip.get() or None,
        "door": context.door.get(),
    }


def searched(text: str) -> dict[str, str]:
    """What was typed into a search box, so that it names nobody: ``+2…78`` for a phone number, ``Wa…ku`` for a name.

    Ids of ours stay whole. With a keyed digest, by which somebody who knows the text can see that it was this.
    """
    text = " ".join(text.split())[:200]
    if not text:
        return {}
    digest = salted_hmac("audit.searched", text.casefold(), algorithm="sha256").hexdigest()[:16]
    return {"q": " ".join(map(masked, text.split())), "digest": digest}


def masked(word: str) -> str:
    if len(word) <= LONGEST_SHOWN or CODE.fullmatch(word.lower()):
        return word
    return f"{word[:2]}…{word[-2:]}"
