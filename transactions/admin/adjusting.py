"""The dialog of an adjustment: which account is debited, which credited. It asks; a second person decides."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.admin import ReasonForm
from core.admin.dialogs import read_amount
from core.ids import read_uuid
from core.money import CURRENCY_CHOICES
from customers.finding import exactly
from customers.models import Customer
from ledger.chart import wallet_account
from transactions.approvals import house_name
from transactions.services.adjustments import house_accounts
from wallets.models import Wallet

WALLET = "wallet"
ANY = CURRENCY_CHOICES[0][0]  # our accounts are the same in each currency
CHOICES = [
    ("", "Choose"), (WALLET, "A customer's wallet"),
    *((str(place), house_name(code).capitalize()) for place, code in enumerate(house_accounts(ANY))),
]  # fmt: skip
WHOSE = "Of a wallet: its id, or its owner's phone number or e-mail address."


class AdjustForm(ReasonForm):
    intro = (
        "This will ask for a second person: nothing is posted until a colleague approves it. "
        "A wallet is what we owe its owner: a credit raises it, a debit lowers it."
    )
    submit = "Ask for approval"
    field_order = ["currency", "amount", "debit", "debit_wallet", "credit", "credit_wallet", "reason"]

    currency = forms.ChoiceField(choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget)
    amount = forms.CharField(max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))
    debit = forms.ChoiceField(choices=CHOICES, widget=UnfoldAdminSelectWidget)
    debit_wallet = forms.CharField(
        label="Debited wallet", max_length=120, required=False, widget=UnfoldAdminTextInputWidget, help_text=WHOSE
    )
    credit = forms.ChoiceField(choices=CHOICES, widget=UnfoldAdminSelectWidget)
    credit_wallet = forms.CharField(
        label="Credited wallet", max_length=120, required=False, widget=UnfoldAdminTextInputWidget, help_text=WHOSE
    )

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if currency := asked.get("currency"):
            if asked.get("amount"):
                asked["amount"] = read_amount(self, "amount", currency)
            for side in ("debit", "credit"):
                if asked.get(side):
                    asked[side] = self.account(side, currency)
        return asked

    def account(self, side: str, currency: str) -> str:
        """The code of the account that was chosen; what cannot be found is said at its field."""
        chosen, whose = self.cleaned_data[side], self.cleaned_data.get(f"{side}_wallet", "").strip()
        if chosen != WALLET:
            if whose:
                self.add_error(f"{side}_wallet", "Only where a wallet is chosen.")
            return house_accounts(currency)[int(chosen)]
        wallet = find_wallet(whose, currency)
        if wallet is None:
            self.add_error(f"{side}_wallet", f"No open {currency} wallet is named by this.")
            return ""
        return wallet_account(wallet.pk)

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        names = ("debit", "credit", "currency")
        return {name: asked[name] for name in names} | {"amount_minor": asked["amount"]}


def find_wallet(whose: str, currency: str) -> Wallet | None:
    """By its own id, or the open one of the customer who is named beyond doubt."""
    open_ones = Wallet.objects.filter(currency=currency, closed_at=None)
    if (identity := read_uuid(whose)) is not None and (wallet := open_ones.filter(pk=identity).first()):
        return wallet
    named = exactly(whose) if whose else None
    if named is None:
        return None
    owners = list(Customer.objects.filter(named)[:2])
    return open_ones.filter(customer=owners[0]).first() if len(owners) == 1 else None
