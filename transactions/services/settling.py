"""Moving an open transaction on: what became of it at the rail."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from core import context
from core.audit import actor_name
from transactions.models import State
from transactions.movements import Order, Outcome, Settlement
from transactions.posting import post_one


def settle(
    transaction: UUID, *, to: State, actor: Any, reason: str = "", refusal_code: str = "", rail_reference: str = "",
    facts: dict[str, Any] | None = None, due_at: datetime | None = None, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Bring an open top-up or cash-out to ``to``, with its event.

    ``completed`` captures what was held, or credits what came in; ``failed``, ``cancelled`` and ``expired`` let the
    hold go and give the limit back. Being there already is no error (``replayed``).

    Raises: TransactionNotFound, IllegalTransition. Locks: the transaction, then its accounts.
    """
    return post(
        Settlement(
            transaction=transaction, to=to, actor=actor_name(actor), reason=reason, refusal_code=refusal_code,
            rail_reference=rail_reference, facts=facts or {}, due_at=due_at, request_id=context.request_id.get(),
        )
    ).or_raise()  # fmt: skip


def mark(
    transaction: UUID, *, to: State, actor: Any, reason: str = "", due_at: datetime | None = None,
    rail_reference: str = "", facts: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """``processing`` or ``unknown``: no money moves; the sweeper looks at it again at ``due_at``."""
    return settle(
        transaction, to=to, actor=actor, reason=reason, due_at=due_at, rail_reference=rail_reference, facts=facts
    )
