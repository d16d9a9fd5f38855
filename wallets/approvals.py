"""What a second person approves of wallets (`staff/approvals.py`)."""

from typing import Any
from uuid import UUID

from core.money import Money
from staff.approvals import About, Fact, Operation, Preview, Row
from staff.models import Approval, User
from staff.selectors import named, names
from wallets.errors import FreezeLifted, FreezeNotFound
from wallets.models import Freeze
from wallets.services import LIVE, lift_freeze, lock

AFTERWARDS = {
    frozenset[str](): "sends and receives again",
    frozenset({"debit"}): "still may not send: another freeze says so",
    frozenset({"credit"}): "still may not receive: another freeze says so",
    frozenset({"debit", "credit"}): "still neither sends nor receives: other freezes say so",
}


class Unfreeze(Operation):
    """Lifting a freeze that was placed for fraud or by order, or of the wallet of who is linked to whom asks.

    ``params``: freeze (id).
    """

    name = "unfreeze"
    title = "Lifting a freeze"
    request = "wallets.freeze"
    check = "wallets.approve_unfreeze"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"freeze": str(UUID(str(params["freeze"])))}

    def about(self, params: dict[str, Any]) -> About:
        freeze = self._freeze(params)
        wallet = freeze.wallet
        title = f"the {wallet.currency} wallet of {wallet.customer.full_name}"
        return About(
            title=f"Let go of {title}",
            subject=Row("wallets.freeze", str(freeze.pk), f"Freeze of {title}"),
            also=[Row("wallets.wallet", str(wallet.pk)), Row("customers.customer", str(wallet.customer_id))],
        )

    def lock(self, params: dict[str, Any]) -> None:
        """The wallet: no freeze is placed or lifted meanwhile."""
        lock(self._freeze(params).wallet)

    def preview(self, params: dict[str, Any]) -> Preview:
        freeze = self._freeze(params)
        if freeze.lifted_at:
            raise FreezeLifted(lifted_at=freeze.lifted_at)
        wallet = freeze.wallet
        customer, account = wallet.customer, wallet.account
        others = wallet.freezes.filter(LIVE).exclude(pk=freeze.pk).values_list("mode", flat=True)
        stays = frozenset(side for mode in others for side in (("debit", "credit") if mode == "both" else (mode,)))
        staff = names()
        return Preview(
            facts=[
                Fact("Wallet", f"{wallet.currency} wallet of {customer.full_name}"),
                Fact("Frozen because", freeze.reason),
                Fact("By", f"{named(freeze.placed_by, staff)}, {freeze.placed_at:%-d %b %Y %H:%M} UTC"),
                Fact("The wallet", freeze.effect),
                Fact("Until", f"{freeze.expires_at:%-d %b %Y %H:%M} UTC" if freeze.expires_at else "somebody lifts it"),
                Fact("Afterwards the wallet", AFTERWARDS[stays]),
            ],
            context=[
                Fact(
                    "Owner", f"{customer.full_name}, KYC tier {customer.tier}, {customer.get_state_display().lower()}"
                ),
                Fact("Customer since", f"{customer.created_at:%-d %b %Y}"),
                Fact("In the wallet", str(Money(account.posted, wallet.currency))),
                Fact("Of that held", str(Money(account.held, wallet.currency))),
                Fact("Freezes of it so far", str(wallet.freezes.count())),
            ],
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        freeze = self._freeze(approval.params)
        lift_freeze(freeze, actor=approval.maker, reason=approval.reason, checker=checker)
        return Row("wallets.wallet", str(freeze.wallet_id), f"{freeze.wallet.currency} wallet")

    def _freeze(self, params: dict[str, Any]) -> Freeze:
        rows = Freeze.objects.select_related("wallet__customer", "wallet__account")
        freeze = rows.filter(pk=params["freeze"]).first()
        if freeze is None:
            raise FreezeNotFound()
        return freeze


unfreeze = Unfreeze()
