"""Fees and reversal reasons: rules with history. A new fee is asked for here, made when a colleague approves it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin import Facts, Panel, ReasonForm, StaffAdmin, choice_filter, money, staff_action
from core.admin.dialogs import far_ahead, read_amount
from core.money import CURRENCY_CHOICES, decimal_string
from staff.inbox import ask
from transactions.admin.timeline import percent
from transactions.approvals import COSTS, fees, reasons
from transactions.models import FeeRule, Kind, ReversalReason

PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", re.ASCII)
MUCH_BPS, ALL_BPS = 10_00, 100_00


class FeeForm(ReasonForm):
    """On a rule's page its figures are there to begin with."""

    intro = "This will ask for a second person: the new fee counts from its day on when a colleague has approved it."
    submit = "Ask for approval"
    field_order = ["kind", "currency", "flat", "part", "effective_from", "reason"]

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

    def __init__(self, data: Any = None, *, subject: FeeRule | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["effective_from"].initial = datetime.now(UTC).date() + timedelta(days=1)
        if subject:
            self.fields["kind"].initial, self.fields["currency"].initial = subject.kind, subject.currency
            self.fields["flat"].initial = decimal_string(subject.flat, subject.currency)
            self.fields["part"].initial = f"{subject.bps // 100}.{subject.bps % 100:02}"

    def clean_part(self) -> int:
        """Hundredths of a percent."""
        match = PERCENT.fullmatch(self.cleaned_data["part"].strip().removesuffix("%").strip())
        if match is None:
            raise forms.ValidationError("A percentage with at most two decimals, such as 1.25.")
        return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if asked.get("currency") and asked.get("flat"):
            asked["flat"] = read_amount(self, "flat", asked["currency"])
        return asked

    def unusual(self) -> list[str]:
        part = self.cleaned_data["part"]
        much = [f"It takes {percent(part)} of every movement."] if MUCH_BPS <= part <= ALL_BPS else []
        return much + far_ahead("It begins", self.cleaned_data["effective_from"])

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        return {name: asked[name] for name in ("kind", "currency", "flat", "effective_from")} | {"bps": asked["part"]}


@admin.register(FeeRule)
class FeeRuleAdmin(StaffAdmin):
    list_display = ["kind", "currency", "flat_money", "part", "effective_from"]
    list_filter = [choice_filter("kind", "kind", Kind.choices), choice_filter("currency", "currency", CURRENCY_CHOICES)]
    ordering = ["kind", "currency", "-effective_from"]
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    @display(description="Flat")
    def flat_money(self, rule: FeeRule) -> Any:
        return money(rule.flat, rule.currency)

    @display(description="Part of the amount")
    def part(self, rule: FeeRule) -> str:
        return percent(rule.bps)

    def panels(self, request: HttpRequest, rule: FeeRule) -> list[Panel]:
        rows = [
            ("Kind", Kind(rule.kind).label),
            ("Currency", rule.currency),
            ("Flat", self.flat_money(rule)),
            ("Part of the amount", self.part(rule)),
            ("From", rule.effective_from),
        ]
        return [Facts(title="Fee", rows=rows)]

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
