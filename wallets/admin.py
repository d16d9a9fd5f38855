"""What support sees of a wallet, and what it may do: freeze, lift, close. Its money is moved elsewhere."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget

from core import contacts
from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    finder,
    link,
    masking,
    moment,
    money,
    page_url,
    panel,
    staff_action,
)
from core.admin.dialogs import far_ahead, go_to
from core.admin.lists import MOST_COUNTED
from core.admin.pages import NOTHING
from core.admin.search import MOST_HITS, read_identity
from core.errors import TekanaError
from core.ids import uuid7
from core.money import CURRENCY_CHOICES, Money
from customers.finding import matching
from customers.link_admin import ask_instead
from customers.links import concerns
from notes.admin import Noted
from staff.inbox import ask
from staff.queues import queue
from staff.selectors import named, names
from staff.work import owner_filter, worked
from wallets.approvals import unfreeze
from wallets.models import Freeze, Wallet
from wallets.services import close_wallet, extend_freeze, freeze_wallet, lift_freeze, why_lifted_by_two

MODES = [
    (Freeze.Mode.DEBIT, "may not send"),
    (Freeze.Mode.CREDIT, "may not receive"),
    (Freeze.Mode.BOTH, "may neither send nor receive"),
]
concerns("wallets.wallet", "customer_id")
concerns("wallets.freeze", "wallet.customer_id")

TONES = {"active": "good", "frozen": "odd", "closed": ""}
MOST_OWNERS = 200  # whose wallets are looked for; who means one of more says more


def status_badge(wallet: Wallet) -> Any:
    return badge(wallet.status, TONES[wallet.status])


def freeze_badge(freeze: Freeze) -> Any:
    return badge("lifted") if freeze.lifted_at else badge(freeze.effect, "odd")


TAKES_TWO = "This will ask for a second person: the wallet stays frozen until a colleague approves."
ASKS = "Ask for approval"


# --- Forms ------------------------------------------------------------------------------------------------------


class FreezeForm(ReasonForm):
    intro = "What is under way with a bank or partner is still finished. Freezes add up; each is lifted by itself."
    submit = "Freeze"
    field_order = ["mode", "cause", "expires_at", "reason"]

    cause = forms.ChoiceField(
        label="Because of",
        choices=[(one, capfirst(one.label)) for one in Freeze.Cause],
        initial=Freeze.Cause.OTHER,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="What is frozen for fraud, or because it was ordered, is let go by two people.",
    )
    mode = forms.ChoiceField(
        label="The wallet",
        choices=MODES,
        initial=Freeze.Mode.BOTH,
        widget=UnfoldAdminRadioSelectWidget,
    )
    expires_at = forms.DateTimeField(
        label="Until",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="UTC. Empty: until somebody lifts it.",
    )

    key = forms.UUIDField(required=False, widget=forms.HiddenInput)  # of this dialog: sent twice, it freezes once

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["key"].initial = uuid7()

    def unusual(self) -> list[str]:
        return far_ahead("It ends", self.cleaned_data["expires_at"])

    def clean_cause(self) -> str:
        return self.cleaned_data["cause"] or Freeze.Cause.OTHER


class LiftForm(ReasonForm):
    """On a wallet's page: which of its freezes; on a freeze's own page there is nothing to choose."""

    submit = "Lift"
    field_order = ["freeze", "reason"]

    freeze = forms.ModelChoiceField(queryset=Freeze.objects.none(), widget=UnfoldAdminSelectWidget, empty_label=None)

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        choice: Any = self.fields["freeze"]
        freezes = list(subject.freezes.filter(lifted_at=None).order_by("placed_at"))
        choice.queryset = Freeze.objects.filter(pk__in=[freeze.pk for freeze in freezes])
        choice.label_from_instance = described
        ask_instead(self, subject.customer_id)
        if not self.why_second_person and any(freeze.takes_two for freeze in freezes):
            self.intro = TAKES_TWO if len(freezes) == 1 else f"For one of them: {TAKES_TWO}"
            self.submit = ASKS if all(freeze.takes_two for freeze in freezes) else self.submit


class LiftThisForm(ReasonForm):
    submit = "Lift"

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        ask_instead(self, subject.wallet.customer_id)
        if not self.why_second_person and subject.takes_two:
            self.intro, self.submit = TAKES_TWO, ASKS


class ExtendForm(ReasonForm):
    intro = "A new freeze takes its place, of the same kind and cause: the wallet is not let go in between."
    submit = "Extend"
    field_order = ["expires_at", "reason"]

    expires_at = forms.DateTimeField(
        label="Until",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="UTC, later than it ends now. Empty: until somebody lifts it.",
    )

    def unusual(self) -> list[str]:
        return far_ahead("It ends", self.cleaned_data["expires_at"])


class CloseForm(ReasonForm):
    intro = "For good. It must be empty and not frozen; the customer can open another wallet in its currency."
    submit = "Close wallet"


def described(freeze: Freeze) -> str:
    cause, reason = f"{freeze.get_cause_display()}, " if freeze.takes_two else "", contacts.masked_text(freeze.reason)
    return f"{freeze.effect.capitalize()}, {cause}since {freeze.placed_at:%-d %b %Y %H:%M}: {reason[:60]}"


def lifted(
    page: StaffAdmin, request: HttpRequest, subject: Any, form: ReasonForm, freeze: Freeze
) -> bool | HttpResponse:
    """Lift it, or ask a second person to."""
    reason = form.cleaned_data["reason"]
    if why_lifted_by_two(freeze, form.user):
        params = {"freeze": freeze.pk}
        return ask(request, form, unfreeze.name, params, reason=reason, back=page.address_of(subject))
    return page.call(form, lift_freeze, freeze, reason=reason)


# --- Wallets ----------------------------------------------------------------------------------------------------


class StatusFilter(choice_filter("status", "status", [("open", "open"), ("frozen", "frozen"), ("closed", "closed")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "open":
                return queryset.filter(closed_at=None)
            case "frozen":  # few wallets are: from the freezes that are not lifted, of which there is an index
                live = Freeze.objects.filter(lifted_at=None).order_by("-pk").values_list("wallet_id", flat=True)
                return queryset.filter(closed_at=None, pk__in=list(live[: MOST_COUNTED + 1]))
            case "closed":
                return queryset.exclude(closed_at=None)
        return queryset


@admin.register(Wallet)
class WalletAdmin(Noted):
    list_display = ["owner", "currency", "posted_money", "held_money", "status_shown", "created_at", "id"]
    list_select_related = ["customer", "account"]
    list_filter = [StatusFilter, choice_filter("currency", "currency", CURRENCY_CHOICES), MadeBetween]
    ordering = ["-pk"]
    search_fields = ["id"]
    search_help_text = "Wallet id or its beginning, or its owner's whole phone number or e-mail address, or name"
    page_select_related = ("customer", "account")
    actions_detail = ["freeze", "lift", "close", "add_note"]

    @display(description="Owner")
    def owner(self, wallet: Wallet) -> Any:
        return wallet.customer.full_name

    @display(description="Posted")
    def posted_money(self, wallet: Wallet) -> Any:
        return money(wallet.account.posted, wallet.currency)

    @display(description="Held")
    def held_money(self, wallet: Wallet) -> Any:
        return money(wallet.account.held or None, wallet.currency)

    @display(description="Status")
    def status_shown(self, wallet: Wallet) -> Any:
        return status_badge(wallet)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        owners = matching(asked).order_by("-pk").values("pk")[:MOST_OWNERS]
        ways = [Wallet.objects.filter(customer__in=owners)]
        if (identity := read_identity(asked)) is not None:
            ways.append(Wallet.objects.filter(identity.within()))
        found = [way.order_by().values("pk")[:MOST_COUNTED] for way in ways]
        return queryset.filter(pk__in=found[0].union(*found[1:])), False

    def whose(self, wallet: Wallet) -> list[Any]:
        return [wallet.customer_id]

    def name_of(self, wallet: Wallet) -> str:
        return f"{wallet.currency} wallet of {wallet.customer.full_name}"

    def header(self, request: HttpRequest, wallet: Wallet) -> Header:
        account, currency = wallet.account, wallet.currency
        return Header(
            title=f"{currency} wallet",
            badge=status_badge(wallet),
            lines=[link(request, "customers.customer", wallet.customer_id, wallet.customer.full_name)],
            figures=[
                ("Available", money(account.posted - account.held, currency)),
                ("Posted", money(account.posted, currency)),
                ("Held", money(account.held, currency)),
            ],
            notice=refusals(wallet),
        )

    def panels(self, request: HttpRequest, wallet: Wallet) -> list[Panel]:
        account = wallet.account
        facts = Facts(
            title="Wallet",
            side=True,
            rows=[
                ("Owner", link(request, "customers.customer", wallet.customer_id, wallet.customer.full_name)),
                ("Phone", masking.phone(request, wallet.customer.phone_number)),
                ("Opened", moment(wallet.created_at)),
                ("Closed", moment(wallet.closed_at)),
                ("Last movement", moment(account.last_at)),
                ("Ledger account", link(request, "ledger.account", account.pk, account.code)),
                ("Id", code(wallet.id)),
            ],
        )
        return [facts]

    def why_not(self, request: HttpRequest, wallet: Wallet, name: str) -> str:
        account = wallet.account
        frozen = account.debits_frozen or account.credits_frozen
        if wallet.closed_at:
            return "The wallet is closed for good. The customer can open another one in its currency."
        if name == "lift":
            return "" if frozen else "The wallet is not frozen."
        if name == "freeze":
            return ""
        if frozen:
            return "The wallet is frozen: a question is still open. Lift its freezes first."
        if account.held:
            held = Money(account.held, wallet.currency)
            return f"The wallet is not empty: {held} is held for what is under way. Wait until it has ended."
        if account.posted:
            return f"The wallet is not empty: the customer moves {Money(account.posted, wallet.currency)} out first."
        return ""

    @staff_action(
        "Freeze",
        permission="wallets.freeze",
        form=FreezeForm,
        done="Frozen.",
        icon="ac_unit",
        variant=ActionVariant.DANGER,
    )
    def freeze(self, request: HttpRequest, wallet: Wallet, form: FreezeForm) -> bool:
        return self.call(form, freeze_wallet, wallet, **form.cleaned_data)

    @staff_action(
        "Lift freeze", permission="wallets.freeze", form=LiftForm, done="Lifted.", icon="wb_sunny", step_up=True
    )
    def lift(self, request: HttpRequest, wallet: Wallet, form: LiftForm) -> bool | HttpResponse:
        return lifted(self, request, wallet, form, form.cleaned_data["freeze"])

    @staff_action("Close", permission="wallets.freeze", form=CloseForm, done="Closed.", icon="lock")
    def close(self, request: HttpRequest, wallet: Wallet, form: CloseForm) -> bool:
        return self.call(form, close_wallet, wallet, reason=form.cleaned_data["reason"])


def refusals(wallet: Wallet) -> str:
    """What this wallet refuses now, in the words an agent can use."""
    if wallet.closed_at:
        return "Closed: it neither sends nor receives."
    account = wallet.account
    if account.debits_frozen and account.credits_frozen:
        return "Frozen: it neither sends nor receives."
    if account.debits_frozen:
        return "Frozen: it may not send. It still receives."
    if account.credits_frozen:
        return "Frozen: it may not receive. It still sends."
    return ""


@panel("wallets.wallet", order=30, permission="wallets.view_freeze")
def freezes_of(request: HttpRequest, wallet: Wallet) -> Panel:
    return freeze_table(request, wallet.freezes.order_by("-placed_at")[:20])


@panel("customers.customer", order=10, permission="wallets.view_wallet")
def wallets_of(request: HttpRequest, customer: Any) -> Panel:
    wallets = customer.wallets.select_related("account").order_by("closed_at", "currency")
    return Table(
        title="Wallets",
        columns=["Wallet", "Status", "Posted", "Held", "Available", "Last movement"],
        numeric=["Posted", "Held", "Available"],
        rows=[
            (
                link(request, "wallets.wallet", wallet.pk, f"{wallet.currency} wallet"),
                status_badge(wallet),
                money(wallet.account.posted, wallet.currency),
                money(wallet.account.held, wallet.currency),
                money(wallet.account.posted - wallet.account.held, wallet.currency),
                moment(wallet.account.last_at),
            )
            for wallet in wallets
        ],
        empty="No wallet.",
    )


@panel("customers.customer", order=40, permission="wallets.view_freeze")
def freezes_of_customer(request: HttpRequest, customer: Any) -> Panel:
    return freeze_table(request, Freeze.objects.filter(wallet__customer=customer).order_by("-placed_at")[:20])


def freeze_table(request: HttpRequest, freezes: QuerySet[Freeze]) -> Table:
    staff = names()
    return Table(
        title="Freezes",
        columns=["Wallet", "", "Placed", "Reason", "Until", "Lifted"],
        rows=[
            (
                link(request, "wallets.freeze", freeze.pk, freeze.wallet.currency),
                freeze_badge(freeze),
                who_when(freeze.placed_by, freeze.placed_at, staff),
                why_frozen(request, freeze),
                until(freeze),
                who_when(freeze.lifted_by, freeze.lifted_at, staff),
            )
            for freeze in freezes.select_related("wallet")
        ],
        empty="Never frozen.",
    )


def why_frozen(request: HttpRequest, freeze: Freeze) -> Any:
    reason = masking.words(request, freeze.reason)
    return format_html("{}<br>{}", badge(freeze.cause, "bad"), reason) if freeze.takes_two else reason


def until(freeze: Freeze) -> Any:
    return moment(freeze.expires_at) if freeze.expires_at else "until lifted"


def who_when(actor: str, at: Any, staff: dict[str, str]) -> Any:
    return format_html("{}<br>{}", moment(at), named(actor, staff)) if at else NOTHING


@finder("Wallets", order=30, permission="wallets.view_wallet", model="wallets.wallet")
def find_wallets(text: str) -> list[Hit]:
    identity = read_identity(text)
    if identity is None:
        return []
    found = Wallet.objects.select_related("customer", "account").filter(identity.within()).order_by("-pk")
    return [
        Hit(
            title=f"{wallet.currency} wallet",
            detail=wallet.customer.full_name,
            state=status_badge(wallet),
            url=page_url("wallets.wallet", wallet.pk),
            exact=identity.is_whole,
        )
        for wallet in found[: MOST_HITS + 1]
    ]


# --- Freezes ----------------------------------------------------------------------------------------------------


LIVES = [("ending", "about to end"), ("live", "in force"), ("lifted", "lifted")]


class LiveFilter(choice_filter("live", "state", LIVES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "ending":
                return queryset.filter(Freeze.ending())
            case "live":
                return queryset.filter(lifted_at=None)
            case "lifted":
                return queryset.exclude(lifted_at=None)
        return queryset


queue(
    name="ending_freezes",
    title="Ending freezes",
    icon="ac_unit",
    about="They end by themselves, and the wallet is free again: extend what must last, lift what need not.",
    model="wallets.freeze",
    view="wallets_freeze_changelist",
    query="live=ending",
    see="wallets.view_freeze",
    act="wallets.freeze",
    which=lambda user: Freeze.ending(),
    waits=lambda freeze: freeze.is_ending,
    since="placed_at",
    clock="expires_at",
    ends=True,
)


@admin.register(Freeze)
class FreezeAdmin(worked("ending_freezes", "wallets.freeze")):  # type: ignore[misc]
    list_display = [
        "owner", "currency", "waits_shown", "owner_shown", "mode_shown", "cause", "reason_shown", "placed_at", "until",
        "lifted_at",
    ]  # fmt: skip
    list_select_related = ["wallet__customer"]
    list_filter = [
        LiveFilter,
        owner_filter("ending_freezes"),
        choice_filter("mode", "mode", MODES),
        choice_filter("cause", "cause", Freeze.Cause.choices),
        MadeBetween,
    ]
    ordering = ["-pk"]
    page_select_related = ("wallet__customer",)
    actions_detail = ["lift_this", "extend", "take", "hand_over"]

    @display(description="Owner")
    def owner(self, freeze: Freeze) -> str:
        return freeze.wallet.customer.full_name

    @display(description="Wallet")
    def currency(self, freeze: Freeze) -> str:
        return freeze.wallet.currency

    @display(description="Mode")
    def mode_shown(self, freeze: Freeze) -> Any:
        return freeze_badge(freeze)

    @display(description="Reason")
    def reason_shown(self, freeze: Freeze) -> str:
        return contacts.masked_text(freeze.reason)

    @display(description="Until")
    def until(self, freeze: Freeze) -> Any:
        return until(freeze)

    def whose(self, freeze: Freeze) -> list[Any]:
        return [freeze.wallet.customer_id]

    def name_of(self, freeze: Freeze) -> str:
        return f"Freeze of {freeze.wallet.customer.full_name}'s {freeze.wallet.currency} wallet"

    def header(self, request: HttpRequest, freeze: Freeze) -> Header:
        return Header(
            title=self.name_of(freeze), badge=freeze_badge(freeze), lines=[masking.words(request, freeze.reason)]
        )

    def panels(self, request: HttpRequest, freeze: Freeze) -> list[Panel]:
        staff = names()
        rows = [
            (
                "Wallet",
                link(
                    request,
                    "wallets.wallet",
                    freeze.wallet_id,
                    f"{freeze.wallet.currency} wallet of {freeze.wallet.customer.full_name}",
                ),
            ),
            ("The wallet", freeze.effect),
            ("Because of", capfirst(freeze.get_cause_display())),
            ("Reason", masking.words(request, freeze.reason)),
            ("Placed", who_when(freeze.placed_by, freeze.placed_at, staff)),
            ("Until", until(freeze)),
            ("Lifted", who_when(freeze.lifted_by, freeze.lifted_at, staff)),
            ("Lifted because", masking.words(request, freeze.lift_reason) or NOTHING),
        ]
        return [Facts(title="Freeze", rows=rows)]

    def why_not(self, request: HttpRequest, freeze: Freeze, name: str) -> str:
        return f"It was lifted on {freeze.lifted_at:%-d %b %Y at %H:%M} UTC." if freeze.lifted_at else ""

    def offers(self, request: HttpRequest, freeze: Freeze, name: str) -> bool:
        """What has no end needs no longer one."""
        if name == "extend":
            return freeze.lifted_at is None and freeze.expires_at is not None
        return super().offers(request, freeze, name)

    @staff_action("Lift", permission="wallets.freeze", form=LiftThisForm, done="Lifted.", icon="wb_sunny", step_up=True)
    def lift_this(self, request: HttpRequest, freeze: Freeze, form: LiftThisForm) -> bool | HttpResponse:
        return lifted(self, request, freeze, form, freeze)

    @staff_action("Extend", permission="wallets.freeze", form=ExtendForm, icon="more_time")
    def extend(self, request: HttpRequest, freeze: Freeze, form: ExtendForm) -> bool | HttpResponse:
        try:
            longer = extend_freeze(freeze, actor=form.user, **form.cleaned_data)
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        until = f"{longer.expires_at:%-d %b %Y %H:%M} UTC" if longer.expires_at else "somebody lifts it"
        messages.success(request, f"It lasts until {until}.")
        return go_to(request, self.address_of(longer))
