"""The reversal dialog: first what it would do, then, with the same figures, doing it."""

from typing import Any, NamedTuple

from django import forms
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.admin import StaffForm, Table, money, page_url
from core.admin.dialogs import LONGEST_REASON, read_amount, told
from core.errors import TekanaError
from core.ids import uuid7
from core.money import Money, decimal_string
from staff.approvals import Fact, request_approval
from staff.models import Approval
from transactions.admin.shown import account_shown, kind_shown, owners_of
from transactions.approvals import owed_reversal, rates_of, reversal
from transactions.models import REVERSIBLE, ReversalReason, State, Transaction
from transactions.services.refunds import REASON as REFUND
from transactions.services.reversals import (
    ReversalPreview,
    freezes_of,
    obstacle,
    preview_reversal,
    reverse_transaction,
    why_second_person,
)
from transactions.undoing import UNDONE, Way
from wallets.admin import described

TAKE, OWE = "take:", "owe"
ANOTHER_RATE = "A second person decides whether an exchange is undone at today's rate."
FINANCE_DECIDES = "Finance decides whether the recipient owes us the rest."


class Shown(NamedTuple):
    """A preview as the dialog shows it."""

    preview: ReversalPreview
    lines: Table
    amount: Any
    fee_returned: Any
    payee_fee_returned: Any
    left_after: Any
    shortfall: Any
    left_to_take: int
    owed: Any
    fee: int
    fee_policy: str
    freezes: list[str]
    why_second_person: str
    rates: list[Fact]


def why_irreversible(transaction: Transaction) -> str:
    """Why nothing of it can be given back; empty if something can."""
    kind = kind_shown(transaction)
    undoing = UNDONE[transaction.kind]
    if Way.REVERSAL not in undoing.ways:
        return undoing.how
    match transaction.state:
        case State.REVERSED:
            return f"All of it, {Money(transaction.amount, transaction.currency)}, has gone back to the payer already."
        case State.FAILED:
            return f"This {kind.lower()} was refused. No money has moved, so there is none to give back."
    return "" if transaction.state in REVERSIBLE else f"This {kind.lower()} is {transaction.get_state_display()}."


class ReverseForm(StaffForm):
    """``step`` is the button that was pressed; one that offers an amount has it in its value. ``owe``: what the
    recipient lacks is to be owed by them. ``agreed`` is what the last preview showed: where a new one shows something
    else, somebody was quicker or a field was changed, and the new one is to be agreed to."""

    intro: str = (
        "The money goes back to the payer by a new transaction; nothing is edited. Freezes do not stop it; one for "
        "fraud or by order takes two people."
    )
    after_template = "admin/transactions/reversal_preview.html"

    amount = forms.CharField(max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))
    reason_code = forms.ModelChoiceField(
        queryset=ReversalReason.objects.filter(is_active=True).exclude(pk=REFUND),
        label="Why",
        empty_label="Choose a reason",
        widget=UnfoldAdminSelectWidget,
    )
    note = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Who asked, what they said, which case. Stays in the timeline with your name.",
    )
    today = forms.ChoiceField(
        choices=[("", "its own: the payer gets the amount"), ("on", "today's: the payer gets what it is worth now")],
        label="Rate",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="At today's rate the difference is our result, and a second person decides.",
    )
    key = forms.UUIDField(widget=forms.HiddenInput)
    agreed = forms.CharField(widget=forms.HiddenInput, required=False, max_length=120)
    owe = forms.BooleanField(widget=forms.HiddenInput, required=False)

    shown: Shown | None = None
    asked: Approval | None = None  # what a second person decides, where one is needed

    def __init__(self, data: Any = None, *, subject: Transaction, user: Any) -> None:
        if data is not None:
            data = data.copy()
            if data.get("step", "").startswith(TAKE):
                data["amount"] = data["step"].removeprefix(TAKE)
            if data.get("step") != "confirm":
                data["owe"] = "on" if data.get("step") == OWE else ""
        super().__init__(data, subject=subject, user=user)
        left = subject.amount - subject.reversed_amount
        self.fields["amount"].label = f"Amount in {subject.currency}"
        self.fields["amount"].help_text = f"{Money(left, subject.currency)} of it can still be reversed."
        self.fields["amount"].initial = decimal_string(left, subject.currency)
        self.fields["key"].initial = uuid7()
        if subject.received is None:
            del self.fields["today"]
        if data is None and (stopped := obstacle(subject.pk)) is not None:
            self.intro = told_with_link(stopped)

    def clean_amount(self) -> int | None:
        amount = read_amount(self, "amount", self.subject.currency)
        if amount is not None and amount <= 0:
            raise forms.ValidationError("An amount must be above zero.")
        return amount

    def refuse(self, refusal: TekanaError) -> None:
        self.add_error(None, told_with_link(refusal))

    @property
    def idempotency_key(self) -> str:
        """Of this dialog: sent twice, it reverses once. Its beginning is ours: no browser chooses another's name."""
        return f"reverse-{self.cleaned_data['key']}"

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """The buttons: value, text, look."""
        if self.shown is None or self.shown.preview.refusal:
            look = ("preview", "Preview", "main")
            if self.shown is None or not self.shown.preview.shortfall:
                return [look]
            lacking = Money(self.shown.preview.shortfall, self.subject.currency)
            if self.subject.received is not None:
                return [look]
            others = [(OWE, f"Preview all of it, {lacking} owed by the recipient", "")]
            if self.shown.left_to_take:
                most = Money(self.shown.left_to_take, self.subject.currency)
                others.insert(0, (f"{TAKE}{most.decimal}", f"Preview {most} instead", ""))
            return [*others, look]
        amount = Money(self.shown.preview.amount, self.subject.currency)
        if self.shown.why_second_person:
            return [("preview", "Preview again", ""), ("confirm", f"Ask for approval of {amount}", "main")]
        return [("preview", "Preview again", ""), ("confirm", f"Reverse {amount}", "danger")]

    def look(self) -> ReversalPreview | None:
        """Ask what it would do, and show it. None when even that is refused; the dialog then says why."""
        asked = self.cleaned_data
        reason: ReversalReason = asked["reason_code"]
        try:
            what: dict[str, Any] = {"amount": asked["amount"], "reason_code": reason.pk, "actor": self.user}
            if asked.get("today"):
                what["today"] = True
            preview = preview_reversal(self.subject.pk, **what)
            if asked["owe"] and preview.shortfall and self.subject.received is None:
                preview = preview_reversal(self.subject.pk, **what, owed=preview.shortfall)
        except TekanaError as refusal:
            self.refuse(refusal)
            return None
        currency = self.subject.currency
        self.shown = Shown(
            preview=preview,
            lines=lines_table(self.subject, preview),
            amount=money(preview.amount, currency),
            fee_returned=money(preview.fee_returned, currency),
            payee_fee_returned=money(preview.payee_fee_returned, currency) if preview.payee_fee_returned else "",
            left_after=money(preview.left_after, currency),
            shortfall=money(preview.shortfall or None, self.subject.received_currency or currency),
            left_to_take=preview.amount - preview.shortfall
            if preview.shortfall and self.subject.received is None
            else 0,
            owed=money(preview.owed, currency) if preview.owed else "",
            fee=self.subject.fee + self.subject.payee_fee,
            fee_policy=reason.fee_policy,
            freezes=[described(one) for one in freezes_of(self.subject)],
            rates=rates_of(self.subject, preview) if preview.taken else [],
            why_second_person=""
            if preview.refusal
            else FINANCE_DECIDES
            if preview.owed
            else ANOTHER_RATE
            if asked.get("today")
            else why_second_person(self.subject, preview.amount, self.user, but_for=self.idempotency_key),
        )
        self.data["agreed"] = self.figures(preview)  # type: ignore[index]
        if preview.refusal:
            self.refuse(preview.refusal)
        return preview

    def figures(self, preview: ReversalPreview) -> str:
        fees = (preview.fee_returned, preview.payee_fee_returned)
        figures = (preview.amount, *fees, preview.left_after, preview.owed, preview.worth or 0)
        return ":".join(str(one) for one in (*figures, self.cleaned_data["reason_code"].pk))

    def reverse(self) -> bool:
        """Do what was agreed to, or ask a second person for it. False leaves the dialog open, with a preview or a
        refusal."""
        agreed = self.cleaned_data["agreed"]
        preview = self.look()
        if preview is None or preview.refusal:
            return False
        if self.data.get("step") != "confirm":
            return False
        if agreed != self.figures(preview):
            self.add_error(None, "The figures have changed since the preview. Look again, then confirm.")
            return False
        assert self.shown is not None
        try:
            if self.shown.why_second_person:
                params = {
                    "transaction": self.subject.pk,
                    "amount_minor": preview.amount,
                    "reason_code": self.cleaned_data["reason_code"].pk,
                }
                if self.cleaned_data.get("today"):
                    params["today"] = True
                operation = reversal.name
                if preview.owed:
                    operation, params = owed_reversal.name, params | {"owed_minor": preview.owed}
                self.asked = request_approval(operation, params, maker=self.user, reason=self.cleaned_data["note"])
                return True
            reverse_transaction(
                self.subject.pk,
                amount=preview.amount,
                reason_code=self.cleaned_data["reason_code"].pk,
                note=self.cleaned_data["note"],
                actor=self.user,
                idempotency_key=self.idempotency_key,
            )
        except TekanaError as refusal:
            self.shown = None
            self.refuse(refusal)
            return False
        return True


def told_with_link(refusal: TekanaError) -> str:
    """A refusal in words, with a link to the row that it says is in the way."""
    model, _, pk = refusal.facts.get("row", "").partition(":")
    if not pk:
        return told(refusal)
    return format_html('{} <a class="to" href="{}">Look at it</a>', told(refusal), page_url(model, pk))


def lines_table(original: Transaction, preview: ReversalPreview) -> Table:
    """What would be posted. The original's payee gives, its payer gets."""
    owners = owners_of(original)
    return Table(
        title="What will be posted",
        columns=["Account", "Debit", "Credit", "Balance after"],
        numeric=["Debit", "Credit", "Balance after"],
        rows=[
            (
                account_shown(line["account"], owners),
                money(line["amount_minor"], line["currency"]) if line["side"] == "debit" else "",
                money(line["amount_minor"], line["currency"]) if line["side"] == "credit" else "",
                money(line["balance_after_minor"], line["currency"]),
            )
            for line in preview.lines
        ],
    )
