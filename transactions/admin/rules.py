"""Fees and reversal reasons: rules with history. A new fee is asked for here, made when a colleague approves it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin import (
    Facts,
    Header,
    Panel,
    Part,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    link,
    money,
    staff_action,
)
from core.admin.dialogs import far_ahead, read_amount
from core.admin.pages import NOTHING, list_url
from core.errors import TekanaError
from core.money import CURRENCY_CHOICES, EXPONENTS, Money, decimal_string
from customers.models import AccountType, Country
from staff.inbox import ask
from transactions import tariff
from transactions.approvals import reasons
from transactions.models import FeeRule, Kind, ReversalReason
from transactions.price_approvals import COSTS, EXAMPLES, fees
from transactions.prices import as_fee, for_whom, in_words, percent
from transactions.tariff import Fee

PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", re.ASCII)
MUCH_BPS, ALL_BPS = 10_00, 100_00


def optional_amount(label: str, help_text: str = "") -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    return forms.CharField(label=label, required=False, max_length=24, widget=widget, help_text=help_text)


def read_percent(typed: str) -> int:
    """Hundredths of a percent. Raises: ValidationError."""
    match = PERCENT.fullmatch(typed.strip().removesuffix("%").strip())
    if match is None:
        raise forms.ValidationError("A percentage with at most two decimals, such as 1.25.")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def read_typed(text: str, currency: str) -> int | None:
    """Minor units of an amount within a line; None where it is none."""
    try:
        return Money.parse(text.replace(",", ""), currency).amount_minor
    except TekanaError:
        return None


WHO_PAYS = [("", "The payer, on top"), ("payee", "The recipient, off what arrives"), ("both", "Both")]
BAND = "One a line: from which amount, flat, percent. For example: 10,000 25.00 0.50"


class FeeForm(ReasonForm):
    """On a rule's page its figures are there to begin with. What is left empty says nothing."""

    intro = "This will ask for a second person: the new fee counts from its day on when a colleague has approved it."
    submit = "Ask for approval"
    field_order = [
        "kind", "currency", "flat", "part", "effective_from", "last_day", "least", "most", "bands", "bands_are",
        "round_to", "rounding", "who_pays", "payee_part", "tier", "account_type", "from_country", "to_country",
        "partner", "reason",
    ]  # fmt: skip

    kind = forms.ChoiceField(
        choices=[("", "Choose"), *((one.value, one.label.capitalize()) for one in Kind if one in COSTS)],
        widget=UnfoldAdminSelectWidget,
    )
    currency = forms.ChoiceField(choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget)
    flat = forms.CharField(
        max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}), help_text="Of each movement."
    )
    part = forms.CharField(
        label="Part of the amount, in percent",
        max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="With up to two decimals, such as 1.25.",
    )
    effective_from = forms.DateField(
        label="From",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The day begins at midnight in the customer's country.",
    )
    last_day = forms.DateField(
        label="Last day",
        required=False,
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="Of a promotion; that day included. Afterwards the price is again what it would be without it.",
    )
    least = optional_amount("At least")
    most = optional_amount("At most")
    bands = forms.CharField(
        label="Another price from an amount on",
        required=False,
        max_length=2_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=BAND,
    )
    bands_are = forms.ChoiceField(
        label="What it is the price of",
        required=False,
        choices=[("", "–"), ("whole", "All of the amount"), ("marginal", "The part of the amount from there on")],
        widget=UnfoldAdminSelectWidget,
    )
    round_to = optional_amount("Rounded in steps of", "Empty: to the smallest unit of the currency.")
    rounding = forms.ChoiceField(
        required=False,
        choices=[("", "To the nearest, half up"), ("up", "Up"), ("down", "Down")],
        widget=UnfoldAdminSelectWidget,
    )
    who_pays = forms.ChoiceField(required=False, choices=WHO_PAYS, widget=UnfoldAdminSelectWidget)
    payee_part = forms.CharField(
        label="Where both pay: the recipient's part of the fee, in percent",
        required=False,
        max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    tier = forms.TypedChoiceField(
        label="For KYC tier", required=False, coerce=int, empty_value=None, widget=UnfoldAdminSelectWidget,
        choices=[("", "Any"), *((tier, f"Tier {tier}") for tier in range(4))],
        help_text="Of who pays the fee.",
    )  # fmt: skip
    account_type = forms.ChoiceField(
        label="For accounts of", required=False, widget=UnfoldAdminSelectWidget,
        choices=[("", "Any"), *((value, str(label).capitalize()) for value, label in AccountType.choices)],
    )  # fmt: skip
    from_country = forms.ModelChoiceField(
        Country.objects.all(), label="Payer's country", required=False, empty_label="Any",
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    to_country = forms.ModelChoiceField(
        Country.objects.all(), label="Recipient's country", required=False, empty_label="Any",
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    partner = forms.ChoiceField(
        label="Through", required=False, widget=UnfoldAdminSelectWidget,
        choices=lambda: [("", "Any bank or partner"), *((name, name.capitalize()) for name in settings.RAILS)],
    )  # fmt: skip

    def __init__(self, data: Any = None, *, subject: FeeRule | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["effective_from"].initial = datetime.now(UTC).date() + timedelta(days=1)
        if subject:
            for name, value in typed(subject).items():
                self.fields[name].initial = value

    def clean_part(self) -> int:
        """Hundredths of a percent."""
        return read_percent(self.cleaned_data["part"])

    def clean_payee_part(self) -> int | None:
        typed = self.cleaned_data["payee_part"]
        return read_percent(typed) if typed.strip() else None

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if currency := asked.get("currency"):
            for name in ("flat", "least", "most", "round_to"):
                if asked.get(name):
                    asked[name] = read_amount(self, name, currency)
            if asked.get("bands"):
                asked["bands"] = self.read_bands(asked["bands"], currency)
        if asked.get("bands") and not asked.get("bands_are"):
            self.add_error("bands_are", "Say what the other prices are of.")
        if asked.get("who_pays") == "both" and asked.get("payee_part") is None and "payee_part" not in self.errors:
            self.add_error("payee_part", "Say how much of it the recipient pays.")
        return asked

    def read_bands(self, text: str, currency: str) -> list[list[int]] | None:
        """``[[above, flat, bps], …]``; what cannot be read is said at the field."""
        bands = []
        for line in filter(None, map(str.strip, text.splitlines())):
            match line.removesuffix("%").split():
                case [above, flat, part] if PERCENT.fullmatch(part):
                    begins, costs = read_typed(above, currency), read_typed(flat, currency)
                    if begins is None or costs is None:
                        self.add_error("bands", f"“{line[:60]}” names no two amounts of {currency}.")
                        return None
                    bands.append([begins, costs, read_percent(part)])
                case _:
                    self.add_error("bands", f"“{line[:60]}” cannot be read. {BAND}")
                    return None
        return bands

    def unusual(self) -> list[str]:
        part = self.cleaned_data["part"]
        much = [f"It takes {percent(part)} of every movement."] if MUCH_BPS <= part <= ALL_BPS else []
        return much + far_ahead("It begins", self.cleaned_data["effective_from"])

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        names = ("kind", "currency", "flat", "effective_from", "last_day", "least", "most", "bands", "round_to",
                 "rounding", "tier", "account_type", "partner")  # fmt: skip
        params = {name: asked[name] for name in names} | {"bps": asked["part"]}
        params["bands_are"] = asked["bands_are"] if asked["bands"] else None
        params["payee_bps"] = {"": None, "payee": ALL_BPS, "both": asked["payee_part"]}[asked["who_pays"]]
        for side in ("from_country", "to_country"):
            params[side] = asked[side].pk if asked[side] else None
        return params


def typed(rule: FeeRule) -> dict[str, Any]:
    """What one would type to get this rule again, from tomorrow on."""
    currency = rule.currency

    def amount(minor: int | None) -> str:
        return "" if minor is None else decimal_string(minor, currency)

    def part(bps: int) -> str:
        return f"{bps // 100}.{bps % 100:02}"

    return {
        "kind": rule.kind, "currency": currency, "flat": amount(rule.flat), "part": part(rule.bps),
        "least": amount(rule.least), "most": amount(rule.most), "round_to": amount(rule.round_to),
        "bands": "\n".join(f"{amount(above)} {amount(flat)} {part(bps)}" for above, flat, bps in rule.bands or []),
        "bands_are": rule.bands_are or "", "rounding": rule.rounding or "", "tier": rule.tier,
        "who_pays": {None: "", ALL_BPS: "payee"}.get(rule.payee_bps, "both"),
        "payee_part": part(rule.payee_bps) if rule.payee_bps else "", "account_type": rule.account_type or "",
        "from_country": rule.from_country_id, "to_country": rule.to_country_id, "partner": rule.partner or "",
    }  # fmt: skip


class InForceFilter(choice_filter("when", "when", [("now", "in force"), ("coming", "coming"), ("past", "past")])):  # type: ignore[misc]
    """By the day in UTC. What another row of the same words has followed is past."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        today = datetime.now(UTC).date()
        match self.value():
            case "now":
                return queryset.filter(pk__in=in_force_ids())
            case "coming":
                return queryset.filter(effective_from__gt=today)
            case "past":
                return queryset.filter(effective_from__lte=today).exclude(pk__in=in_force_ids())
        return queryset


def in_force_ids() -> set[int]:
    """The rules that some movement could meet today."""
    rules, today, found = tariff.current(), datetime.now(UTC).date(), set()
    for kind, currency in rules.priced():
        for rule in rules.met(kind, currency, today):
            assert rule.id is not None
            found.add(rule.id)
    return found


@admin.register(FeeRule)
class FeeRuleAdmin(StaffAdmin):
    list_display = ["kind_shown", "currency", "price", "whom", "effective_from", "until"]
    list_filter = [
        choice_filter("kind", "kind", Kind.choices), choice_filter("currency", "currency", CURRENCY_CHOICES),
        InForceFilter,
    ]  # fmt: skip
    ordering = ["kind", "currency", "-effective_from"]
    list_before_template = "admin/transactions/prices.html"
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"prices": matrix(), **(extra_context or {})})

    @display(description="Kind")
    def kind_shown(self, rule: FeeRule) -> str:
        return capfirst(Kind(rule.kind).label)

    @display(description="Price")
    def price(self, rule: FeeRule) -> str:
        return in_words(as_fee(rule), rule.currency)

    @display(description="For")
    def whom(self, rule: FeeRule) -> str:
        return for_whom(as_fee(rule))

    @display(description="Until")
    def until(self, rule: FeeRule) -> Any:
        return rule.last_day or NOTHING

    def name_of(self, rule: FeeRule) -> str:
        return f"{capfirst(Kind(rule.kind).label)} in {rule.currency}, from {rule.effective_from:%-d %b %Y}"

    def header(self, request: HttpRequest, rule: FeeRule) -> Header:
        today = datetime.now(UTC).date()
        state = badge("coming", "busy") if rule.effective_from > today else badge("past")
        return Header(
            title=self.name_of(rule), badge=badge("in force", "good") if rule.pk in in_force_ids() else state,
            lines=[f"For {for_whom(as_fee(rule))}: {in_words(as_fee(rule), rule.currency)}"],
        )  # fmt: skip

    def panels(self, request: HttpRequest, rule: FeeRule) -> list[Panel]:
        fee, currency = as_fee(rule), rule.currency
        rows = [
            ("Kind", Kind(rule.kind).label),
            ("Currency", currency),
            ("Flat", money(rule.flat, currency)),
            ("Part of the amount", percent(rule.bps)),
            ("At least", NOTHING if rule.least is None else money(rule.least, currency)),
            ("At most", NOTHING if rule.most is None else money(rule.most, currency)),
            ("Rounded", f"{FeeRule.Rounding(fee.rounding).label}, in steps of {Money(fee.round_to, currency)}"),
            ("The recipient pays", f"{percent(fee.payee_bps)} of it" if fee.payee_bps else "nothing of it"),
            ("For", for_whom(fee)),
            ("From", rule.effective_from),
            ("Last day", rule.last_day or "until further notice"),
        ]
        panels: list[Panel] = [Facts(title="Price", rows=rows)]
        if fee.bands:
            panels.append(bands_table(fee, currency))
        return [*panels, example(request, rule), history(request, rule)]

    @staff_action(
        "New fee", permission="transactions.change_fees", form=FeeForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: FeeForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="transactions.change_fees", form=FeeForm, icon="edit_calendar", step_up=True)
    def propose_next(self, request: HttpRequest, rule: FeeRule, form: FeeForm) -> bool | HttpResponse:
        return self.asked(request, rule, form)

    def asked(self, request: HttpRequest, rule: FeeRule | None, form: FeeForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, fees.name, form.params, reason=reason, back=self.address_of(rule))


def matrix() -> dict[str, Any]:
    """Today's price of each kind in each currency, for everybody; how many others there are, and what is coming."""
    rules, today = tariff.current(), datetime.now(UTC).date()
    priced = rules.priced()
    currencies = [code for code, _ in CURRENCY_CHOICES if any(currency == code for _, currency in priced)]
    kinds = [kind for kind in Kind if kind in COSTS and any(kind == one for one, _ in priced)]
    return {
        "today": today,
        "kinds": [capfirst(kind.label) for kind in kinds],
        "rows": [(currency, [cell(rules, kind, currency, today) for kind in kinds]) for currency in currencies],
    }


def cell(rules: tariff.Tariff, kind: str, currency: str, today: date) -> dict[str, Any]:
    met = rules.met(kind, currency, today)
    everybodys = next((rule for rule in met if rule.is_general), None)
    coming = min(
        (rule for rule in rules.coming(kind, currency, today)), key=lambda one: one.effective_from, default=None
    )
    return {
        "address": f"{list_url('transactions.feerule')}?{urlencode({'kind': kind, 'currency': currency})}",
        "price": in_words(everybodys, currency) if everybodys else "free: no price",
        "until": everybodys.last_day if everybodys else None,
        "others": sum(1 for rule in met if not rule.is_general),
        "coming": coming and coming.effective_from,
    }


def bands_table(fee: Fee, currency: str) -> Table:
    of = (
        "Each part of the amount is priced by its own band"
        if fee.marginal
        else "The band of the amount prices all of it"
    )
    bands = [(0, fee.flat, fee.bps), *fee.bands]
    return Table(
        title=of, columns=["From", "Flat", "Percent"], numeric=["From", "Flat", "Percent"],
        rows=[(money(above, currency), money(flat, currency), percent(bps)) for above, flat, bps in bands],
    )  # fmt: skip


class ExampleForm(forms.Form):
    amount = forms.CharField(
        required=False, max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    )


def example(request: HttpRequest, rule: FeeRule) -> Part:
    """What a few amounts cost by this price, and the one that is asked for."""
    fee, currency = as_fee(rule), rule.currency
    form = ExampleForm(request.GET if "amount" in request.GET else None)
    amounts = [units * 10 ** EXPONENTS[currency] for units in EXAMPLES]
    if form.is_bound and form.is_valid() and form.cleaned_data["amount"]:
        asked = read_amount(form, "amount", currency)
        amounts = [asked, *amounts] if asked and asked > 0 else amounts
    table = Table(
        title="On an amount of", columns=["Amount", "Fee", "Payer pays", "Recipient gets"],
        numeric=["Amount", "Fee", "Payer pays", "Recipient gets"],
        rows=[example_row(rule, fee, amount) for amount in amounts],
    )  # fmt: skip
    return Part(
        title="What does it come to?", template="admin/transactions/price_example.html",
        context={"form": form, "table": table, "currency": currency},
    )  # fmt: skip


def example_row(rule: FeeRule, fee: Fee, amount: int) -> tuple[Any, ...]:
    charged, currency = fee.on(amount), rule.currency
    of_payer, of_payee = fee.shared(charged)
    if rule.kind in (Kind.TOP_UP, Kind.CONVERSION):  # taken from what is brought
        of_payer, of_payee = 0, charged
    gets = money(amount - of_payee, currency) if amount > of_payee else badge("refused: nothing would arrive", "bad")
    return money(amount, currency), money(charged, currency), money(amount + of_payer, currency), gets


def history(request: HttpRequest, rule: FeeRule) -> Table:
    """What the same people paid for the same before, and what is to come."""
    same = FeeRule.objects.filter(
        kind=rule.kind, currency=rule.currency, partner=rule.partner, to_country=rule.to_country_id,
        from_country=rule.from_country_id, account_type=rule.account_type, tier=rule.tier,
    ).order_by("-effective_from", "-pk")[:50]  # fmt: skip
    return Table(
        title="Before and after",
        columns=["From", "Last day", "Price"],
        rows=[
            (
                link(request, "transactions.feerule", one.pk, f"{one.effective_from:%-d %b %Y}"),
                one.last_day or NOTHING,
                format_html("<b>{}</b>", in_words(as_fee(one), one.currency)) if one.pk == rule.pk
                else in_words(as_fee(one), one.currency),
            )
            for one in same
        ],
    )  # fmt: skip


FEE_POLICIES = {  # value: words, refunds_fee, fee_by_share
    "kept": ("it stays with us", False, False),
    "last": ("all of it goes with the last part", True, False),
    "share": ("each part takes its share along", True, True),
}


class ReasonChangeForm(ReasonForm):
    """On a reason's page what it says is there to begin with."""

    intro = "This will ask for a second person: it counts from the next reversal on, when a colleague has approved it."
    submit = "Ask for approval"
    field_order = ["code", "title", "fee", "is_active", "reason"]

    code = forms.RegexField(
        r"^[a-z][a-z0-9_]{2,39}$",
        widget=UnfoldAdminTextInputWidget,
        help_text="Small letters, digits and underscores: what exports and the API say. It never changes.",
    )
    title = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget, help_text="What the dialog says.")
    fee = forms.ChoiceField(
        choices=[("", "Choose"), *((value, words.capitalize()) for value, (words, *_) in FEE_POLICIES.items())],
        widget=UnfoldAdminSelectWidget,
        help_text="What becomes of the fee of what is reversed.",
    )
    is_active = forms.BooleanField(
        required=False,
        initial=True,
        label="In use",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Offered by the dialog.",
    )

    def __init__(self, data: Any = None, *, subject: ReversalReason | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        if subject:
            self.fields["code"].initial, self.fields["code"].disabled = subject.code, True
            self.fields["title"].initial, self.fields["is_active"].initial = subject.title, subject.is_active
            said = (subject.refunds_fee, subject.fee_by_share)
            self.fields["fee"].initial = next(
                name for name, (_, *flags) in FEE_POLICIES.items() if tuple(flags) == said
            )

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        _, refunds_fee, fee_by_share = FEE_POLICIES[asked["fee"]]
        flags = {"refunds_fee": refunds_fee, "fee_by_share": fee_by_share, "is_active": asked["is_active"]}
        return {"code": asked["code"], "title": asked["title"], **flags}


@admin.register(ReversalReason)
class ReversalReasonAdmin(StaffAdmin):
    list_display = ["title", "code", "fee_shown", "is_active"]
    ordering = ["title"]
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    @display(description="Fee")
    def fee_shown(self, reason: ReversalReason) -> str:
        return reason.fee_policy

    def panels(self, request: HttpRequest, reason: ReversalReason) -> list[Panel]:
        rows = [
            ("Title", reason.title),
            ("Code", reason.code),
            ("Fee", reason.fee_policy),
            ("In use", "yes" if reason.is_active else "no"),
        ]
        return [Facts(title="Reason to reverse", rows=rows)]

    @staff_action(
        "New reason", permission="transactions.change_fees", form=ReasonChangeForm, icon="add",
        variant=ActionVariant.PRIMARY, step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: ReasonChangeForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="transactions.change_fees", form=ReasonChangeForm, icon="edit", step_up=True)
    def propose_next(self, request: HttpRequest, reason: ReversalReason, form: ReasonChangeForm) -> bool | HttpResponse:
        return self.asked(request, reason, form)

    def asked(self, request: HttpRequest, reason: ReversalReason | None, form: ReasonChangeForm) -> bool | HttpResponse:
        why = form.cleaned_data["reason"]
        return ask(request, form, reasons.name, form.params, reason=why, back=self.address_of(reason))
