"""Transactions: the list, and the page that answers what happened, where the money is, and what can be done."""

from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum, prefetch_related_objects
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant

import ledger.selectors
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    money,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING, may, page_url
from core.ids import read_uuid
from core.money import CURRENCY_CHOICES, Money
from customers.links import concerns
from notes.admin import Noted
from staff.inbox import ask, tell_it_waits
from staff.selectors import named, names
from staff.work import worked
from transactions.admin.adjusting import AdjustForm
from transactions.admin.finding import matching
from transactions.admin.refusals import codes, explain
from transactions.admin.reversing import ReverseForm, why_irreversible
from transactions.admin.shown import (
    account_shown,
    elsewhere,
    kind_shown,
    owners_of,
    parties_of,
    reason_shown,
    reason_titles,
    receipt_tag,
    sides,
    state_badge,
)
from transactions.admin.timeline import timeline
from transactions.admin.waivers import WaiveFeeForm
from transactions.approvals import adjustment
from transactions.models import GIVES_BACK, OPEN, Kind, State, Transaction
from transactions.services.holds import void_by_staff
from transactions.services.rail_calls import call_off, release
from transactions.services.reversals import approval_of
from transactions.services.waivers import MOVED
from transactions.undoing import how_undone
from wallets.models import Wallet

concerns("transactions.transaction", "payer.customer_id", "payee.customer_id")

UNPOSTED = "('pending', 'processing', 'unknown', 'failed', 'cancelled', 'expired')"
HOLDS_OVER = "t.kind = 'hold' AND t.state = 'completed'"
# A wallet's movements without an index on each side of every transaction: what was posted is found through the books,
# and a hold that is over by its parties, for what was captured of it is in the books under other names.
# The planner sees whose they are, and so whether they are few or every fortieth of all.
OF_WALLETS = f"""
SELECT e.journal_id FROM ledger_entry e WHERE e.account_id = ANY(%s)
UNION ALL SELECT t.id FROM transactions_transaction t WHERE t.payer_id = ANY(%s) AND t.state IN {UNPOSTED}
UNION ALL SELECT t.id FROM transactions_transaction t WHERE t.payee_id = ANY(%s) AND t.state IN {UNPOSTED}
UNION ALL SELECT t.id FROM transactions_transaction t WHERE t.payer_id = ANY(%s) AND {HOLDS_OVER}
UNION ALL SELECT t.id FROM transactions_transaction t WHERE t.payee_id = ANY(%s) AND {HOLDS_OVER}
"""  # noqa: S608


HELD = "held"  # this filter's rows have `expires_at`, and `captured` in minor units
EXPIRY = "SELECT h.expires_at FROM ledger_holdevent h WHERE h.hold = transactions_transaction.id AND h.kind = 'placed'"
CAPTURED = (
    Transaction.objects.filter(hold=OuterRef("pk"))
    .exclude(state=State.FAILED)
    .values("hold")
    .values_list(Sum("amount", output_field=BigIntegerField()))
)
STATES = [("open", "under way"), (HELD, "open holds"), ("given_up", "given up by the worker"), *State.choices]


class StateFilter(choice_filter("state", "state", STATES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "open":
            return queryset.filter(state__in=sorted(OPEN)).exclude(kind=Kind.HOLD, quarantined_at=None)
        if self.value() == HELD:
            return queryset.filter(kind=Kind.HOLD, state=State.PENDING).annotate(
                expires_at=RawSQL(EXPIRY, []),  # noqa: S611
                captured=Coalesce(Subquery(CAPTURED), 0),
            )
        if self.value() == "given_up":
            return queryset.filter(state__in=sorted(OPEN), quarantined_at__isnull=False)
        return queryset.filter(state=self.value()) if self.value() else queryset


class RefusalFilter(choice_filter("refusal", "refusal", codes())):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(refusal_code=self.value()).exclude(refusal_code="") if self.value() else queryset


class ReversedFilter(choice_filter("reversed", "reversal", [("yes", "was reversed"), ("is", "is a reversal")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "yes":
                return queryset.filter(state__in=[State.PARTIALLY_REVERSED, State.REVERSED])
            case "is":
                return queryset.filter(reverses__isnull=False)
        return queryset


class WalletFilter(admin.SimpleListFilter):
    """Only by address, from the page of the wallet; not in the filter drawer."""

    title = parameter_name = "wallet"
    column = "id"
    template = "admin/transactions/of_wallet.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.title, self.title)]

    def choices(self, changelist: Any) -> Any:
        return [{"name": self.parameter_name, "value": self.value()}]

    @property
    def shown(self) -> str:
        return f"{self.title} {self.value()}" if self.value() else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        whose = read_uuid(str(self.value()))
        wallets = dict(Wallet.objects.filter(**{self.column: whose}).values_list("pk", "account_id")) if whose else {}
        if not wallets:
            return queryset.none()
        ids = list(wallets)
        return queryset.filter(pk__in=RawSQL(OF_WALLETS, [list(wallets.values()), *[ids] * 4]))  # noqa: S611


class CustomerFilter(WalletFilter):
    """All of a customer's wallets, from the customer's page."""

    title = parameter_name = "customer"
    column = "customer_id"


class ReleaseForm(ReasonForm):
    intro = "The worker gave up on it. Look at the rail's messages first, if it went to one; then it is tried again."
    submit = "Ask again"


class VoidForm(ReasonForm):
    @property
    def intro(self) -> str:  # type: ignore[override]
        left = Money(left_of(self.subject), self.subject.currency)
        return (
            f"{left} and what is held for its fee are the payer's again at once; payer and merchant are told."
            " What was captured stays a payment, and is reversed as one."
        )

    submit = "Void"


class CallOffForm(ReasonForm):
    intro = "The bank has not heard of it. What is held is the customer's again, and they are told."
    submit = "Call off"


@admin.register(Transaction)
class TransactionAdmin(worked("unknown_outcomes", "transactions.release"), Noted):  # type: ignore[misc]
    list_display = [
        "receipt_shown",
        "kind_shown",
        "state_shown",
        "amount_money",
        "payer_shown",
        "payee_shown",
        "created_at",
    ]
    list_select_related = ["payer__customer", "payee__customer"]
    list_filter = [
        StateFilter,
        choice_filter("kind", "kind", Kind.choices),
        choice_filter("currency", "currency", CURRENCY_CHOICES),
        MadeBetween,
        RefusalFilter,
        ReversedFilter,
        WalletFilter,
        CustomerFilter,
    ]
    ordering = ["-pk"]
    search_fields = ["receipt"]
    search_help_text = "Receipt, reference, key, id"
    page_select_related = ("payer__customer", "payee__customer", "reverses", "hold")
    actions_list = ["adjust"]
    actions_detail = ["reverse", "waive_fee", "void", "release", "call_off", "take", "hand_over", "add_note"]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Of open holds: what is left, and until when."""
        if request.GET.get(StateFilter.parameter_name) != HELD:
            return self.list_display
        return [
            "receipt_shown", "amount_money", "captured_money", "left_money", "payer_shown", "payee_shown",
            "expires_shown",
        ]  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        return (queryset.filter(pk__in=matching(asked).values("pk")) if asked else queryset), False

    @display(description="Receipt")
    def receipt_shown(self, transaction: Transaction) -> Any:
        return receipt_tag(transaction.receipt)

    @display(description="Kind")
    def kind_shown(self, transaction: Transaction) -> str:
        return kind_shown(transaction)

    @display(description="State")
    def state_shown(self, transaction: Transaction) -> Any:
        why = explain(transaction.refusal_code).title if transaction.refusal_code else ""
        state = state_badge(transaction)
        return format_html('{}<br><span class="muted small">{}</span>', state, why) if why else state

    @display(description="Amount")
    def amount_money(self, transaction: Transaction) -> Any:
        return money(transaction.amount, transaction.currency)

    @display(description="Captured")
    def captured_money(self, hold: Any) -> Any:
        return money(hold.captured, hold.currency)

    @display(description="Left")
    def left_money(self, hold: Any) -> Any:
        return money(hold.amount - hold.captured, hold.currency)

    @display(description="Expires")
    def expires_shown(self, hold: Any) -> Any:
        expires = moment(hold.expires_at)
        return format_html("{}<br>{}", expires, badge("given up", "bad")) if hold.quarantined_at else expires

    @display(description="Payer")
    def payer_shown(self, transaction: Transaction) -> Any:
        return transaction.payer.customer.full_name if transaction.payer else elsewhere(transaction)

    @display(description="Payee")
    def payee_shown(self, transaction: Transaction) -> Any:
        if transaction.payee:
            return transaction.payee.customer.full_name
        return (transaction.destination or {}).get("account_name") or elsewhere(transaction)

    def whose(self, transaction: Transaction) -> list[Any]:
        return parties_of(transaction)

    def name_of(self, transaction: Transaction) -> str:
        return f"{kind_shown(transaction)} {transaction.receipt}"

    # --- The page ----------------------------------------------------------------------------------------------------

    def header(self, request: HttpRequest, transaction: Transaction) -> Header:
        payer, payee = sides(request, transaction)
        currency = transaction.currency
        figures = [("Amount", money(transaction.amount, currency)), ("Fee", money(transaction.fee, currency))]
        if transaction.received:
            taken_back = transaction.kind in GIVES_BACK
            figures.append(("Taken back" if taken_back else "Received", money(*transaction.arriving)))
        if transaction.payee_fee:
            figures.append(("Fee of the payee", money(transaction.payee_fee, currency)))
        if transaction.reversed_amount:
            figures.append(("Reversed so far", money(transaction.reversed_amount, currency)))
        if transaction.kind == Kind.HOLD and transaction.state == State.PENDING:
            figures.append(("Left", money(left_of(transaction), currency)))
        return Header(
            title=receipt_tag(transaction.receipt),
            badge=state_badge(transaction),
            lines=[
                format_html("{}: {} → {}", kind_shown(transaction), payer, payee),
                moment(transaction.created_at),
            ],
            figures=figures,
            notice="The worker gave up on this one: it needs a person." if transaction.quarantined_at else "",
        )

    def subject(self, request: HttpRequest, object_id: str) -> Any:
        found = super().subject(request, object_id)
        if found is not None and found.kind == Kind.HOLD:
            prefetch_related_objects([found], "captures")
        return found

    def panels(self, request: HttpRequest, transaction: Transaction) -> list[Panel]:
        staff, reasons = names(), reason_titles()
        held = ledger.selectors.hold_of(transaction.pk) if transaction.kind in (Kind.CASH_OUT, Kind.HOLD) else []
        moments = timeline(request, transaction, staff, reasons)
        panels: list[Panel] = []
        if transaction.refusal_code:
            panels.append(why_refused(transaction))
        panels.append(
            Part(title="What happened", template="admin/transactions/timeline.html", context={"moments": moments})
        )
        if related := reversals(request, transaction, staff):
            panels.append(related)
        if transaction.kind == Kind.HOLD:
            panels.append(captures(request, transaction, staff))
        if held:
            panels.append(hold(transaction, held))
        return [*panels, legs(request, transaction), details(request, transaction, reasons)]

    # --- What can be done --------------------------------------------------------------------------------------------

    def offers(self, request: HttpRequest, transaction: Transaction, name: str) -> bool:
        """A rail is asked about what is under way; what it has not heard of is called off."""
        if name == "void":
            return transaction.kind == Kind.HOLD and transaction.state == State.PENDING
        if name == "call_off":
            return transaction.kind != Kind.HOLD and transaction.state == State.PENDING
        if name == "release" and transaction.kind == Kind.HOLD:  # no rail has it: the worker alone is asked again
            return transaction.state == State.PENDING and transaction.quarantined_at is not None
        if name == "waive_fee":
            return transaction.kind != Kind.HOLD and bool(transaction.fee or transaction.payee_fee)
        return transaction.state in OPEN if name == "release" else super().offers(request, transaction, name)

    def why_not(self, request: HttpRequest, transaction: Transaction, name: str) -> str:
        if name == "reverse":
            return why_irreversible(transaction)
        if name == "waive_fee":
            return "" if transaction.state in MOVED else "It did not go through: no fee was taken."
        if name == "void":
            return "" if self.offers(request, transaction, name) else "Only a hold that is open can be voided."
        if name == "call_off" and transaction.kind == Kind.HOLD:
            return "A hold goes to no bank: it is voided."
        if name == "call_off":
            waits = transaction.state == State.PENDING
            return "" if waits else "Only a top-up or cash-out that no bank has heard of yet can be called off."
        return "" if transaction.quarantined_at else "The worker has not given up on it: it asks the rail by itself."

    @staff_action(
        "Reverse",
        permission="transactions.reverse",
        form=ReverseForm,
        done="Reversed.",
        icon="undo",
        variant=ActionVariant.DANGER,
        step_up=True,
    )
    def reverse(self, request: HttpRequest, transaction: Transaction, form: ReverseForm) -> bool | HttpResponse:
        done = form.reverse()
        if form.asked is None:
            return done
        tell_it_waits(request, form.asked)
        return go_to(request, self.address_of(transaction))

    @staff_action(
        "Waive fee", permission="transactions.waive_fees", form=WaiveFeeForm, done="Waived; the customer is told.",
        icon="money_off", step_up=True,
    )  # fmt: skip
    def waive_fee(self, request: HttpRequest, transaction: Transaction, form: WaiveFeeForm) -> bool | HttpResponse:
        return form.waive(request, back=self.address_of(transaction))

    @staff_action("New adjustment", permission="transactions.adjust", form=AdjustForm, icon="balance", step_up=True)
    def adjust(self, request: HttpRequest, subject: None, form: AdjustForm) -> bool | HttpResponse:
        return ask(request, form, adjustment.name, form.params, reason=form.cleaned_data["reason"])

    @staff_action(
        "Ask the rail again",
        permission="transactions.release",
        form=ReleaseForm,
        done="It will be asked about again.",
        icon="replay",
    )
    def release(self, request: HttpRequest, transaction: Transaction, form: ReleaseForm) -> bool:
        return self.call(form, release, transaction.pk, reason=form.cleaned_data["reason"])

    @staff_action(
        "Void", permission="transactions.void", form=VoidForm, done="Voided; both sides are told.", icon="lock_open",
        variant=ActionVariant.DANGER, step_up=True,
    )  # fmt: skip
    def void(self, request: HttpRequest, transaction: Transaction, form: VoidForm) -> bool:
        return self.call(form, void_by_staff, transaction.pk, reason=form.cleaned_data["reason"])

    @staff_action(
        "Call off", permission="transactions.call_off", form=CallOffForm, done="Called off; the customer is told.",
        icon="cancel", variant=ActionVariant.DANGER, step_up=True,
    )  # fmt: skip
    def call_off(self, request: HttpRequest, transaction: Transaction, form: CallOffForm) -> bool:
        return self.call(form, call_off, transaction.pk, reason=form.cleaned_data["reason"])


def why_refused(transaction: Transaction) -> Part:
    return Part(
        title="Why was it refused?",
        template="admin/transactions/refusal.html",
        context={"refusal": explain(transaction.refusal_code)},
    )


def hold(transaction: Transaction, steps: list[ledger.selectors.HoldStep]) -> Table:
    return Table(
        title="Held in the wallet",
        columns=["When", "", "Amount", "Still held"],
        numeric=["Amount", "Still held"],
        rows=[
            (
                moment(step.at),
                step.kind.capitalize(),
                money(step.amount, transaction.currency),
                money(step.remaining, transaction.currency),
            )
            for step in steps
        ],
    )


def left_of(hold: Transaction) -> int:
    """What of a hold can still be captured, minor units."""
    if hold.state != State.PENDING:
        return 0
    return hold.amount - sum(one.amount for one in hold.captures.all() if one.state != State.FAILED)


def captures(request: HttpRequest, transaction: Transaction, staff: dict[str, str]) -> Table:
    """What its payee took of a hold, and tried to; what is left, and until when."""
    parts = sorted(transaction.captures.all(), key=lambda one: one.pk)
    left = Money(left_of(transaction), transaction.currency)
    return Table(
        title=f"Captures: {left} left",
        columns=["When", "Receipt", "", "By", "Amount", "Fee"],
        numeric=["Amount", "Fee"],
        rows=[
            (
                moment(one.created_at),
                link(request, "transactions.transaction", one.pk, receipt_tag(one.receipt)),
                state_badge(one),
                named(one.caller, staff),
                money(one.amount, one.currency),
                money(one.fee, one.currency),
            )
            for one in parts
        ],
        empty="Nothing of it was captured." if transaction.completed_at else "Nothing of it was captured yet.",
    )


def unposted(transaction: Transaction) -> str:
    """Where the money is of what has no entries in the books."""
    if transaction.kind == Kind.HOLD:
        waits = transaction.state == State.PENDING
        where = "It is set aside in the payer's wallet. " if waits else ""
        return f"{where}What is captured of a hold is a payment with entries of its own."
    if transaction.state not in OPEN:
        return "Nothing was posted: no money has moved."
    unknown = transaction.state == State.UNKNOWN
    if transaction.kind == Kind.CASH_OUT:
        held = Money(transaction.amount + transaction.fee, transaction.currency)
        said = f"{held}, the fee included, is held until the bank answers."
        doubt = " The bank may have paid."
    else:
        said = "The customer is credited when the bank or partner says that it has the money."
        doubt = " It may have it already."
    return f"Nothing is posted yet. {said}{doubt if unknown else ''}"


def legs(request: HttpRequest, transaction: Transaction) -> Table:
    """The journal as a book shows it. A transaction's journal has its id."""
    currency = transaction.currency
    owners = owners_of(transaction)
    entries = ledger.selectors.legs_of(transaction.pk)
    debits, credits = (sum(leg.amount for leg in entries if leg.side == side) for side in (1, -1))
    is_one = len({leg.currency for leg in entries}) == 1  # what is in two currencies has no total
    return Table(
        title="Entries in the books",
        columns=["Account", "Debit", "Credit", "Balance after"],
        numeric=["Debit", "Credit", "Balance after"],
        rows=[
            (
                link(request, "ledger.account", leg.account_id, account_shown(leg.code, owners)),
                money(leg.amount, leg.currency) if leg.side > 0 else "",
                money(leg.amount, leg.currency) if leg.side < 0 else "",
                money(leg.balance_after, leg.currency),
            )
            for leg in entries
        ],
        total=("Total", money(debits, currency), money(credits, currency), "") if is_one else (),
        empty=unposted(transaction),
        more=("Journal", page_url("ledger.journal", transaction.pk))
        if entries and may(request, "ledger.view_journal")
        else None,
    )


def details(request: HttpRequest, transaction: Transaction, reasons: dict[str, str]) -> Facts:
    payer, payee = sides(request, transaction)
    rows: list[tuple[str, Any]] = [
        ("Kind", kind_shown(transaction)),
        ("From", payer),
        ("To", payee),
        ("Amount", money(transaction.amount, transaction.currency)),
        ("Fee", money(transaction.fee, transaction.currency)),
        ("How it is undone", how_undone(transaction.kind, in_two_currencies=bool(transaction.received))),
        ("Memo", masking.words(request, transaction.memo) or NOTHING),
        ("Reference", code(masking.words(request, transaction.reference))),
        ("Order reference", code(masking.words(request, transaction.order_reference))),
    ]
    if transaction.reverses:
        original = link(
            request, "transactions.transaction", transaction.reverses_id, receipt_tag(transaction.reverses.receipt)
        )
        rows += [("Reverses", original), ("Why", reason_shown(transaction.reason_code, reasons))]
    if (approval := approval_of(transaction)) is not None:
        rows.append(("Approved by", link(request, "staff.approval", approval.pk, approval.checker)))
    if transaction.kind == Kind.HOLD:
        _, until = ledger.selectors.still_held([transaction.pk]).get(transaction.pk, (0, None))
        rows += [("Expires", moment(until)), ("Captured by itself", moment(transaction.capture_at))]
    if transaction.hold:
        receipt = receipt_tag(transaction.hold.receipt)
        rows.append(("Captured of", link(request, "transactions.transaction", transaction.hold_id, receipt)))
    if transaction.rail:
        rows += [("Rail", transaction.rail), ("Rail's reference", code(transaction.rail_reference))]
        rows.append(("Calls", transaction.attempts))
        if transaction.due_at and not transaction.quarantined_at:
            rows.append(("Next look", moment(transaction.due_at)))
    for name, value in masking.document(request, transaction.destination or {}).items():
        rows.append((name.replace("_", " ").capitalize(), value))
    rows += [
        ("Receipt", code(transaction.receipt)),
        ("Created", moment(transaction.created_at)),
        ("Ended", moment(transaction.completed_at)),
        ("Id", code(transaction.pk)),
    ]
    return Facts(title="Details", side=True, rows=rows)


def reversals(request: HttpRequest, transaction: Transaction, staff: dict[str, str]) -> Table | None:
    """What was given back, and by whom; refused attempts too."""
    rows = [
        (
            link(request, "transactions.transaction", one.pk, receipt_tag(one.receipt)),
            state_badge(one),
            money(one.amount, one.currency),
            named(one.caller, staff),
        )
        for one in transaction.reversals.all()
    ]
    if not rows:
        return None
    left = Money(transaction.amount - transaction.reversed_amount, transaction.currency)
    return Table(
        title=f"Given back: {left} left",
        columns=["Receipt", "", "Amount", "By"],
        numeric=["Amount"],
        rows=rows,
    )
