"""Recalls as staff work on them: the queue, the story of a case, opening one, answering for a recipient who called."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

import ledger.selectors
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    moment,
    money,
    panel,
    staff_action,
)
from core.admin.dialogs import LONGEST_REASON, go_to, read_amount
from core.admin.pages import age, may
from core.errors import TekanaError
from core.ids import read_receipt
from core.money import Money
from customers.link_admin import ask_instead
from customers.links import concerns, why_linked
from notes.admin import Noted
from notes.selectors import notes_of
from notifications.models import Notification
from recalls.amounts import Claimed
from recalls.approvals import recall_consent, recall_step
from recalls.models import Recall, RecallEvent, RecallReason, RecallState
from recalls.selectors import open_recalls
from recalls.services import consent, open_recall, refuse, withdraw
from staff.inbox import ask
from staff.models import User
from staff.queues import queue
from staff.selectors import named, names
from staff.work import owner_filter, worked
from transactions.admin.shown import reason_titles, receipt_shown, receipt_tag
from transactions.admin.timeline import Moment, masked, noted, notified, undone
from transactions.admin.transactions import legs
from transactions.models import PAYS_AT_ONCE, REVERSIBLE, Transaction
from transactions.services.reversals import why_second_person

concerns("recalls.recall", "sender_id", "recipient_id")

SEE, OPEN, ANSWER = "recalls.view_recall", "recalls.open", "recalls.answer"
TONES = {
    RecallState.OPEN: "busy", RecallState.CONSENTED: "good", RecallState.REFUSED: "bad", RecallState.EXPIRED: "odd",
    RecallState.WITHDRAWN: "",
}  # fmt: skip
STEPS = {
    "open": ("gavel", "Claimed back"),
    "consented": ("handshake", "The recipient agreed"),
    "refused": ("block", "The recipient refused"),
    "expired": ("timer_off", "Nobody answered in time"),
    "withdrawn": ("undo", "Withdrawn"),
}
SOON = timedelta(hours=24)
SHOWN = 10


def state_badge(recall: Recall) -> Any:
    return badge(recall.get_state_display(), TONES[RecallState(recall.state)])


def short_badge(recall: Recall) -> Any:
    return badge(recall.state, TONES[RecallState(recall.state)])


def deadline_shown(recall: Recall) -> Any:
    """When it ends by itself, and how long that is; it stands out when it is near."""
    if recall.state != RecallState.OPEN:
        return moment(recall.deadline_at)
    left = recall.deadline_at - now()
    if left <= timedelta(0):
        return badge("over", "bad")
    return format_html(
        "{} {}", moment(recall.deadline_at), badge(f"{age(left)} left", "odd" if left < SOON else "good")
    )


# --- Forms ------------------------------------------------------------------------------------------------------


class OpenForm(StaffForm):
    intro = (
        "What is left of it at the recipient is held at once, and both are told. The recipient agrees or refuses in "
        "the app, or to us; without an answer the money is theirs to use again when the time is over."
    )
    submit = "Hold it and ask"
    prefilled = ("receipt",)

    receipt = forms.CharField(
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Of the payment that the sender wants back.",
    )
    amount = forms.CharField(
        required=False,
        max_length=24,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Empty: all that has not been given back yet.",
    )
    reason = forms.ModelChoiceField(
        queryset=RecallReason.objects.filter(is_active=True),
        label="Why",
        empty_label="Choose a reason",
        widget=UnfoldAdminSelectWidget,
        help_text="The recipient reads it.",
    )
    note = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What the sender says, and how we know that it is them. Neither party reads it.",
    )

    transaction: Transaction | None = None

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if receipt := asked.get("receipt"):
            self.transaction = Transaction.objects.filter(receipt=read_receipt(receipt) or "").first()
            if self.transaction is None:
                self.add_error("receipt", "There is no transaction with this receipt.")
        asked["amount_minor"] = None
        if self.transaction and "amount" in asked:
            asked["amount_minor"] = read_amount(self, "amount", self.transaction.currency, none="")
        return asked


class AnswerForm(StaffForm):
    note = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="How the recipient answered, and how we know that it is them. Kept with your name.",
    )


class ConsentForm(AnswerForm):
    submit = "They agreed"

    def __init__(self, data: Any = None, *, subject: Recall, user: User) -> None:
        super().__init__(data, subject=subject, user=user)
        original = subject.transaction
        returned = Claimed(original, subject.reason).back_for(subject.held, subject.claimed)
        self.intro = f"{Money(returned, subject.currency)} goes back to {subject.sender.full_name} out of what is held."
        self.why_second_person = why_second_person(original, returned, user)
        if self.why_second_person:
            self.intro += f" {self.why_second_person} This will ask for a second person."
            self.submit = "Ask for approval"


class RefuseForm(AnswerForm):
    intro = "The money is the recipient's to use again, and the sender is told that they did not agree."
    submit = "They refused"

    def __init__(self, data: Any = None, *, subject: Recall, user: User) -> None:
        super().__init__(data, subject=subject, user=user)
        ask_instead(self, subject.sender_id, subject.recipient_id)


class WithdrawForm(AnswerForm):
    intro = "The claim is taken back: the money is the recipient's to use again, and both are told."
    submit = "Withdraw the recall"

    def __init__(self, data: Any = None, *, subject: Recall, user: User) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["note"].help_text = "Why the claim no longer stands. Kept with your name."
        ask_instead(self, subject.sender_id, subject.recipient_id)


# --- The queue --------------------------------------------------------------------------------------------------


DEADLINES = [("over", "over"), ("day", "within 24 hours"), ("days", "within 3 days")]


class DeadlineFilter(choice_filter("deadline", "deadline", DEADLINES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        within = {"over": timedelta(0), "day": SOON, "days": 3 * SOON}.get(self.value() or "")
        if within is None:
            return queryset
        return queryset.filter(state=RecallState.OPEN, deadline_at__lte=now() + within)


AGES = [("1", "older than a day"), ("3", "older than 3 days"), ("7", "older than 7 days")]


class AgeFilter(choice_filter("age", "age", AGES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if (days := self.value()) not in dict(AGES):
            return queryset
        return queryset.filter(opened_at__lte=now() - timedelta(days=int(str(days))))


queue(
    name="recalls",
    title="Recalls",
    icon="gavel",
    about="Payments claimed back, which end by themselves unless the recipient answers.",
    model="recalls.recall",
    view="recalls_recall_changelist",
    query="state=open",
    see=SEE,
    act=ANSWER,
    which=lambda user: Q(state=RecallState.OPEN),
    waits=lambda recall: recall.state == RecallState.OPEN,
    since="opened_at",
    clock="deadline_at",
    ends=True,
)


@admin.register(Recall)
class RecallAdmin(worked("recalls", ANSWER), Noted):  # type: ignore[misc]
    list_display = [
        "receipt", "parties", "claimed_money", "held_money", "state_shown", "age_shown", "deadline", "owner_shown",
    ]  # fmt: skip
    list_select_related = ["transaction", "sender", "recipient"]
    list_filter = [
        choice_filter("state", "state", RecallState.choices), owner_filter("recalls"), DeadlineFilter, AgeFilter,
        MadeBetween,
    ]  # fmt: skip
    search_fields = ["transaction__receipt"]
    search_help_text = "Receipt of the payment"
    page_select_related = ("transaction__payer__customer", "transaction__payee__customer", "sender", "recipient",
                           "reason", "reversal__payer__customer", "reversal__payee__customer")  # fmt: skip
    actions_list = ["open"]
    actions_detail = ["consent", "refuse", "withdraw", "take", "hand_over", "add_note"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not (asked := search_term.strip()):
            return queryset, False
        return queryset.filter(transaction__receipt=read_receipt(asked) or ""), False

    @display(description="Receipt")
    def receipt(self, recall: Recall) -> Any:
        return receipt_tag(recall.transaction.receipt)

    @display(description="Claimed")
    def claimed_money(self, recall: Recall) -> Any:
        return money(recall.claimed, recall.currency)

    @display(description="Held")
    def held_money(self, recall: Recall) -> Any:
        return money(recall.held, recall.currency)

    @display(description="Who asks whom")
    def parties(self, recall: Recall) -> str:
        return f"{recall.sender.full_name} asks {recall.recipient.full_name}"

    @display(description="State")
    def state_shown(self, recall: Recall) -> Any:
        return short_badge(recall)

    @display(description="Age")
    def age_shown(self, recall: Recall) -> str:
        return age((recall.closed_at or now()) - recall.opened_at)

    @display(description="Ends by itself")
    def deadline(self, recall: Recall) -> Any:
        return deadline_shown(recall)

    # --- The case ----------------------------------------------------------------------------------------------------

    def whose(self, recall: Recall) -> list[Any]:
        return [recall.sender_id, recall.recipient_id]

    def name_of(self, recall: Recall) -> str:
        return f"Recall of {receipt_shown(recall.transaction.receipt)}"

    def header(self, request: HttpRequest, recall: Recall) -> Header:
        currency = recall.currency
        sender = link(request, "customers.customer", recall.sender_id, recall.sender.full_name)
        recipient = link(request, "customers.customer", recall.recipient_id, recall.recipient.full_name)
        is_open = recall.state == RecallState.OPEN
        held = ("Held" if is_open else "Was held", money(recall.held, currency))
        figures = [("Claimed", money(recall.claimed, currency)), held]
        if recall.returned:
            figures.append(("Returned", money(recall.returned, currency)))
        return Header(
            title=self.name_of(recall),
            badge=state_badge(recall),
            lines=[
                format_html("{} asks {} for it back: {}", sender, recipient, recall.reason.title),
                format_html("Ends by itself: {}", deadline_shown(recall)) if is_open else "",
            ],
            figures=figures,
        )

    def panels(self, request: HttpRequest, recall: Recall) -> list[Panel]:
        staff, reasons = names(), reason_titles()
        story: list[Panel] = [
            Part(
                title="What happened",
                template="admin/transactions/timeline.html",
                context={"moments": timeline(request, recall, staff, reasons)},
            ),
            held_table(recall),
        ]
        if recall.reversal:
            story.append(legs(request, recall.reversal))
        return [*story, details(request, recall, staff)]

    # --- What can be done --------------------------------------------------------------------------------------------

    def why_not(self, request: HttpRequest, recall: Recall, name: str) -> str:
        if recall.state != RecallState.OPEN:
            return f"It is closed: {recall.get_state_display()}."
        return "" if now() < recall.deadline_at else "Its time is over: it is being closed, and the money let go."

    @staff_action("Open a recall", permission=OPEN, form=OpenForm, icon="gavel")
    def open(self, request: HttpRequest, subject: None, form: OpenForm) -> bool | HttpResponse:
        asked, original = form.cleaned_data, form.transaction
        assert original is not None
        owners = [wallet.customer_id for wallet in (original.payer, original.payee) if wallet]
        if why_linked(form.user, *owners):
            params = {"step": "open", "transaction": original.pk, "amount_minor": asked["amount_minor"],
                      "reason_code": asked["reason"].pk}  # fmt: skip
            return ask(request, form, recall_step.name, params, reason=asked["note"], back=self.address_of(None))
        try:
            recall = open_recall(
                original.pk, amount=asked["amount_minor"], reason_code=asked["reason"].pk, note=asked["note"],
                actor=form.user,
            )  # fmt: skip
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        held, claimed = Money(recall.held, recall.currency), Money(recall.claimed, recall.currency)
        messages.success(request, f"{held} of {claimed} is held, and both are told.")
        return go_to(request, self.address_of(recall))

    @staff_action(
        "They agreed", permission=ANSWER, form=ConsentForm, done="It went back.", icon="handshake",
        variant=ActionVariant.PRIMARY, step_up=True,
    )  # fmt: skip
    def consent(self, request: HttpRequest, recall: Recall, form: ConsentForm) -> bool | HttpResponse:
        note = form.cleaned_data["note"]
        if form.why_second_person:
            params = {"recall": recall.pk}
            return ask(request, form, recall_consent.name, params, reason=note, back=self.address_of(recall))
        return self.call(form, consent, recall.pk, note=note)

    @staff_action("They refused", permission=ANSWER, form=RefuseForm, done="Closed: the hold is let go.", icon="block")
    def refuse(self, request: HttpRequest, recall: Recall, form: RefuseForm) -> bool | HttpResponse:
        if form.why_second_person:
            return self.ask_for(request, form, recall, "refuse")
        return self.call(form, refuse, recall.pk, note=form.cleaned_data["note"])

    @staff_action("Withdraw", permission=OPEN, form=WithdrawForm, done="Withdrawn: the hold is let go.", icon="undo",
                  variant=ActionVariant.DANGER)  # fmt: skip
    def withdraw(self, request: HttpRequest, recall: Recall, form: WithdrawForm) -> bool | HttpResponse:
        if form.why_second_person:
            return self.ask_for(request, form, recall, "withdraw")
        return self.call(form, withdraw, recall.pk, note=form.cleaned_data["note"])

    def ask_for(self, request: HttpRequest, form: AnswerForm, recall: Recall, step: str) -> bool | HttpResponse:
        params = {"step": step, "recall": recall.pk}
        note, back = form.cleaned_data["note"], self.address_of(recall)
        return ask(request, form, recall_step.name, params, reason=note, back=back)


def timeline(request: HttpRequest, recall: Recall, staff: dict[str, str], reasons: dict[str, str]) -> list[Moment]:
    """The case in order: claim, hold, who was told, answer, what went back, notes. Four statements."""
    events = list(recall.events.all())
    moments = [stepped(recall, event, staff) for event in events]
    told = Notification.objects.filter(event__in=[event.pk for event in events])
    told = told.select_related("customer").prefetch_related("deliveries").order_by("id")
    moments += [notified(request, one) for one in told]
    if recall.reversal:
        back = undone(request, recall.reversal, staff, reasons)
        back.at = events[-1].at  # of the same step as the answer, by another clock
        moments.append(back)
    moments += [noted(request, one, staff) for one in notes_of(recall)]
    return masked(request, sorted(moments, key=lambda one: one.at))


def stepped(recall: Recall, event: RecallEvent, staff: dict[str, str]) -> Moment:
    icon, title = STEPS[event.to_state]
    labels = {"claimed": "Claimed", "held": "Held of it", "returned": "Goes back", "released": "Let go"}
    facts = [
        (label, money(event.facts[name], recall.currency)) for name, label in labels.items() if event.facts.get(name)
    ]
    if checker := event.facts.get("approved_by"):
        facts.append(("Approved by", named(checker, staff)))
    by = "the recipient" if event.actor == f"customer:{recall.recipient_id}" else named(event.actor, staff)
    return Moment(event.at, icon, title, by=by, tone=TONES[RecallState(event.to_state)], text=event.note, facts=facts)


def held_table(recall: Recall) -> Table:
    return Table(
        title="Held in the recipient's wallet",
        columns=["When", "", "Amount", "Still held"],
        numeric=["Amount", "Still held"],
        rows=[
            (
                moment(step.at),
                step.kind.capitalize(),
                money(step.amount, recall.currency),
                money(step.remaining, recall.currency),
            )
            for step in ledger.selectors.hold_of(recall.pk)
        ],
    )


def details(request: HttpRequest, recall: Recall, staff: dict[str, str]) -> Facts:
    original = recall.transaction
    return Facts(
        title="Details",
        side=True,
        rows=[
            ("Payment", link(request, "transactions.transaction", original.pk, receipt_tag(original.receipt))),
            ("Its amount", money(original.amount, original.currency)),
            ("Given back so far", money(original.reversed_amount or None, original.currency)),
            ("Wallet", link(request, "wallets.wallet", recall.wallet_id, f"{recall.currency} wallet")),
            ("Why", recall.reason.title),
            ("Opened", format_html("{}<br>{}", moment(recall.opened_at), named(recall.opened_by, staff))),
            ("Answer by", moment(recall.deadline_at)),
            ("Closed", moment(recall.closed_at)),
            ("Id", code(recall.pk)),
        ],
    )


# --- On other pages ---------------------------------------------------------------------------------------------


def table_of(request: HttpRequest, recalls: QuerySet[Recall], **more: Any) -> Table:
    return Table(
        title="Recalls",
        columns=["Of", "", "Held", "Ends"],
        numeric=["Held"],
        rows=[
            (
                link(request, "recalls.recall", one.pk, receipt_tag(one.transaction.receipt)),
                short_badge(one),
                money(one.held, one.currency),
                moment(one.closed_at or one.deadline_at),
            )
            for one in recalls.select_related("transaction")[:SHOWN]
        ],
        **more,
    )


@panel("transactions.transaction", order=12, permission=SEE)
def recalls_of_transaction(request: HttpRequest, transaction: Transaction) -> Panel | None:
    """Its cases, or the way to open one."""
    if transaction.kind not in PAYS_AT_ONCE:
        return None
    found = table_of(request, transaction.recalls.all())
    if found.rows or transaction.state not in REVERSIBLE or not may(request, OPEN):
        return found if found.rows else None
    address = reverse("admin:recalls_recall_open", query={"receipt": transaction.receipt})
    return Part(title="Recall", side=True, template="admin/recalls/open.html", context={"address": address})


@panel("customers.customer", order=45, permission=SEE)
def recalls_of_customer(request: HttpRequest, customer: Any) -> Panel | None:
    found = table_of(request, Recall.objects.filter(Q(sender=customer) | Q(recipient=customer)))
    return found if found.rows else None


@panel("wallets.wallet", order=11, permission=SEE)
def recalls_of_wallet(request: HttpRequest, wallet: Any) -> Panel | None:
    """What is held in it because a sender asks for it back."""
    if not wallet.account.held:
        return None
    found = table_of(request, open_recalls().filter(wallet=wallet))
    found.title = "Held for recalls"
    return found if found.rows else None


# --- Reasons ----------------------------------------------------------------------------------------------------


@admin.register(RecallReason)
class RecallReasonAdmin(StaffAdmin):
    list_display = ["title", "code", "days", "reversal_reason", "is_active"]
    list_select_related = ["reversal_reason"]
    page_select_related = ("reversal_reason",)

    @display(description="Time to answer")
    def days(self, reason: RecallReason) -> str:
        return f"{reason.answer_days} days"

    def panels(self, request: HttpRequest, reason: RecallReason) -> list[Panel]:
        rows = [
            ("Code", code(reason.code)),
            ("The recipient reads", reason.title),
            ("Time to answer", self.days(reason)),
            ("The reversal bears", reason.reversal_reason.title),
            ("In use", "yes" if reason.is_active else "no"),
        ]
        return [Facts(title="Reason", rows=rows)]
