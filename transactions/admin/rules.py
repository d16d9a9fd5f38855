"""Fees and reversal reasons: rules with history. A new fee is asked for here, made when a colleague approves it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from core.admin import Facts, Panel, ReasonForm, StaffAdmin, choice_filter, money, staff_action
from core.admin.dialogs import read_amount
from core.money import CURRENCY_CHOICES, decimal_string
from staff.inbox import ask
from transactions.admin.timeline import percent
from transactions.approvals import COSTS, fees
from transactions.models import FeeRule, Kind, ReversalReason

PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", re.ASCII)


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


@admin.register(ReversalReason)
class ReversalReasonAdmin(StaffAdmin):
    list_display = ["title", "code", "refunds_fee", "is_active"]
    ordering = ["title"]
