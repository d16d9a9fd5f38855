"""One function moves a state, so that the trail cannot be forgotten."""

from typing import Any

from django_fsm import TransitionNotAllowed

from core import audit
from core.errors import IllegalTransition


def advance(
    transition: Any, /, *, actor: Any, reason: str = "", recorded: dict[str, Any] | None = None, **facts: Any
) -> None:
    """Run one bound django-fsm transition, save its row, record it: ``advance(customer.suspend, actor=…, reason=…)``.

    ``facts`` go to the transition; the audit record says the state before and after, and what is ``recorded`` with it.

    The caller has locked the row (``select_for_update``) in its database transaction; otherwise two could pass.
    Raises: IllegalTransition.
    """
    row, field = transition.__self__, transition._django_fsm.field.name
    before = getattr(row, field)
    try:
        transition(**facts)
    except TransitionNotAllowed as exc:
        raise IllegalTransition(f"This {row._meta.verbose_name} is {before}.", state=before) from exc
    row.save()
    after = getattr(row, field)
    after = {field: after, **recorded} if recorded else after
    audit.record(actor=actor, action=transition.__name__, subject=row, before=before, after=after, reason=reason)
