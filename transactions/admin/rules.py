"""Fees and reversal reasons: rules with history, looked at here and changed by a reviewed migration or command."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from core.admin import Facts, Panel, StaffAdmin, choice_filter, money
from core.money import CURRENCY_CHOICES
from transactions.admin.timeline import percent
from transactions.models import FeeRule, Kind, ReversalReason


@admin.register(FeeRule)
class FeeRuleAdmin(StaffAdmin):
    list_display = ["kind", "currency", "flat_money", "part", "effective_from"]
    list_filter = [choice_filter("kind", "kind", Kind.choices), choice_filter("currency", "currency", CURRENCY_CHOICES)]
    ordering = ["kind", "currency", "-effective_from"]

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


@admin.register(ReversalReason)
class ReversalReasonAdmin(StaffAdmin):
    list_display = ["title", "code", "refunds_fee", "is_active"]
    ordering = ["title"]
