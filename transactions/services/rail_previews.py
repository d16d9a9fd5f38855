"""What a cash-out or top-up would do, asked beforehand: by the same verbs, posting nothing and keeping nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from ledger.chart import wallet_account
from transactions import posting
from transactions.movements import Order, Outcome
from transactions.services.cash_outs import start_cash_out
from transactions.services.top_ups import start_top_up
from transactions.world import World


@dataclass(frozen=True, slots=True)
class RailPreview:
    """Minor units. ``arrives``: at the bank account, or in the wallet. ``available``: in the wallet, once it was asked
    for. ``limits_left``: by period, or ``balance`` of what comes in; None is unlimited."""

    fee: int
    arrives: int
    available: int
    limits_left: dict[str, int | None]


def preview_cash_out(wallet_id: UUID, amount: Money, *, actor: CustomerPrincipal) -> RailPreview:
    """Raises: what `start_cash_out` would be refused with."""
    outcome, world = _peek(
        lambda post: start_cash_out(wallet_id, amount, {}, actor=actor, idempotency_key=_key(), post=post)
    )
    used = world.events[-1].facts["verdicts"]["within_limits"]["payer"]
    left = {period: _left(*used[period]) for period in ("day", "month")}
    return RailPreview(
        outcome.fee, amount.amount_minor, _available(world, wallet_id), {"movement": used["movement"][1]} | left
    )


def preview_top_up(wallet_id: UUID, amount: Money, *, actor: CustomerPrincipal) -> RailPreview:
    """Raises: what `start_top_up` would be refused with."""
    outcome, world = _peek(lambda post: start_top_up(wallet_id, amount, actor=actor, idempotency_key=_key(), post=post))
    used = world.events[-1].facts["verdicts"]["within_limits"]["payee"]
    left = {"balance": _left(*used["balance"])}
    return RailPreview(outcome.fee, amount.amount_minor - outcome.fee, _available(world, wallet_id), left)


def _peek(verb: Callable[[Callable[[Order], Outcome]], Outcome]) -> tuple[Outcome, World]:
    """What the verb's movement would come to. Told as a replay, so that nobody is sent to the rail for it."""
    seen: list[World] = []

    def post(order: Order) -> Outcome:
        outcome, world = posting.dry_run(order)
        seen.append(world)
        return replace(outcome, replayed=True)

    return verb(post).or_raise(), seen[0]


def _key() -> str:
    return f"preview-{uuid7()}"


def _left(reached: int, allowed: int | None) -> int | None:
    return None if allowed is None else allowed - reached


def _available(world: World, wallet: UUID) -> int:
    return world.books.accounts[wallet_account(wallet)].available
