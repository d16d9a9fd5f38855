"""How rates look on staff pages."""

from fractions import Fraction
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter

from core.money import EXPONENTS
from fx.selectors import sources_now

DIGITS = 6


def rate_text(rate: Fraction, digits: int = DIGITS) -> str:
    """With so many significant digits, half up; never in scientific form."""
    whole = rate.numerator // rate.denominator
    zeros = 0 if whole else len(str(rate.denominator // rate.numerator)) - 1
    places = max(digits - len(str(whole)), 2) if whole else digits + zeros
    scaled = (rate.numerator * 10**places * 2 + rate.denominator) // (2 * rate.denominator)
    text = str(scaled).zfill(places + 1)
    head, tail = text[:-places], text[-places:].rstrip("0").ljust(2, "0")
    return f"{int(head):,}.{tail}"


def of_amounts(sell_minor: int, sell: str, buy_minor: int, buy: str) -> str:
    """``1 USD = 129.35 KES``, from what was exchanged."""
    rate = Fraction(buy_minor * 10 ** EXPONENTS[sell], sell_minor * 10 ** EXPONENTS[buy])
    if rate < 1:
        return f"1 {buy} = {rate_text(Fraction(rate.denominator, rate.numerator))} {sell}"
    return f"1 {sell} = {rate_text(rate)} {buy}"


def pair_shown(sell: str, buy: str) -> Any:
    return format_html('<span class="whitespace-nowrap">{} <span class="muted">to</span> {}</span>', sell, buy)


class SourceFilter(DropdownFilter):
    """By the code of a source; which there are, rows say."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.code, one.name) for one in sources_now()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(source=self.value()) if self.value() else queryset

    @property
    def shown(self) -> str:
        label = dict(self.lookup_choices).get(str(self.value()))
        return f"Source: {label}" if label else ""
