"""How a transaction looks wherever staff meet it."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin import badge, link
from core.admin.pages import NOTHING
from core.ids import spaced_receipt
from ledger.chart import type_of, wallet_account
from transactions.errors import RecipientHasNoWallet, RecipientNotFound
from transactions.models import Kind, RailMessage, ReversalReason, State, Transaction

TONES = {
    State.PENDING: "busy",
    State.PROCESSING: "busy",
    State.COMPLETED: "good",
    State.FAILED: "bad",
    State.UNKNOWN: "odd",
    State.CANCELLED: "",
    State.EXPIRED: "",
    State.PARTIALLY_REVERSED: "odd",
    State.REVERSED: "odd",
}

MESSAGE_TONES = {RailMessage.State.RECEIVED: "busy", RailMessage.State.PROCESSED: "good", RailMessage.State.ODD: "odd"}


def state_badge(transaction: Transaction) -> SafeString:
    return badge(transaction.get_state_display(), TONES[State(transaction.state)])


def message_badge(message: RailMessage) -> SafeString:
    return badge(message.get_state_display(), MESSAGE_TONES[RailMessage.State(message.state)])


def receipt_shown(receipt: str) -> str:
    """In groups, as one reads it out: ``7F3 K9Q X2AB``."""
    return spaced_receipt(receipt)


def receipt_tag(receipt: str) -> SafeString:
    return format_html('<span class="receipt">{}</span>', receipt_shown(receipt))


def party(request: HttpRequest, wallet: Any) -> Any:
    """A side of a movement: its owner, linked to the wallet."""
    return link(request, "wallets.wallet", wallet.pk, wallet.customer.full_name)


def elsewhere(transaction: Transaction) -> str:
    """The side that has no wallet here: the account that a rail pays, the rail, or nobody at all."""
    if to := transaction.destination:
        return f"{to.get('account_name', '')} at {to.get('bank_id', transaction.rail)}"
    match transaction.refusal_code:
        case RecipientNotFound.code:
            return "nobody found"
        case RecipientHasNoWallet.code:
            return f"nobody with a {transaction.currency} wallet"
    return transaction.rail or ("our books" if transaction.kind == Kind.ADJUSTMENT else "outside")


def sides(request: HttpRequest, transaction: Transaction) -> tuple[Any, Any]:
    """From whom to whom."""
    payer = party(request, transaction.payer) if transaction.payer else elsewhere(transaction)
    payee = party(request, transaction.payee) if transaction.payee else elsewhere(transaction)
    return payer, payee


def parties_of(transaction: Transaction) -> list[Any]:
    """Ids of the customers on its sides."""
    return [wallet.customer_id for wallet in (transaction.payer, transaction.payee) if wallet]


def kind_shown(transaction: Transaction) -> str:
    return Kind(transaction.kind).label.capitalize()


def reason_titles() -> dict[str, str]:
    """Every reason to reverse, by its code. They are few."""
    return dict(ReversalReason.objects.values_list("code", "title"))


def reason_shown(code: str, titles: Mapping[str, str]) -> Any:
    """By the name that the dialog gives it, its code in small print."""
    return format_html('{} <span class="muted small">{}</span>', titles.get(code, ""), code) if code else NOTHING


def owners_of(transaction: Transaction) -> dict[str, str]:
    """The owners of its wallets by the code of their accounts."""
    wallets = [wallet for wallet in (transaction.payer, transaction.payee) if wallet is not None]
    return {wallet_account(wallet.pk): wallet.customer.full_name for wallet in wallets}


def account_shown(code: str, owners: dict[str, str]) -> Any:
    """A ledger account in words, its code below."""
    if code in owners:
        return format_html('{}<br><span class="muted small">wallet</span>', owners[code])
    return format_html('{}<br><span class="muted small">{}</span>', type_of(code).name, code)
