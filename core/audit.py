"""The audit trail: one call per act, in the same database transaction as the act itself."""

from typing import Any

from django.db import models

from core import context
from core.models import AuditRecord


def actor_name(actor: Any) -> str:
    """``staff:3``, ``customer:0192…``: the principal's own ``principal`` property; ``system`` for None."""
    return "system" if actor is None else actor if isinstance(actor, str) else actor.principal


def record(
    *, actor: Any, action: str, subject: models.Model, before: Any = None, after: Any = None, reason: str = ""
) -> AuditRecord:
    return AuditRecord.objects.create(
        actor=actor_name(actor),
        action=action,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        before=before,
        after=after,
        reason=reason,
        request_id=context.request_id.get(),
        ip=context.client_ip.get() or None,
    )
