"""From when to when a page's figures are, and which of an entry's two times counts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.days import midnight
from reports.balances import Basis, Period
from reports.totals import SETTLED_AFTER, utc_now

INSTANT = "%Y-%m-%dT%H:%M:%S"
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def instant_field(label: str) -> forms.DateTimeField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "1"})
    bounds = [
        MinValueValidator(EARLIEST, "Before 1970 there are no books."),
        MaxValueValidator(LATEST, "That is further ahead than anything is planned."),
    ]
    return forms.DateTimeField(required=False, label=label, widget=widget, validators=bounds)


class PeriodForm(forms.Form):
    """What is not given is this month until now. Instants are UTC; each is a bound: what is before it counts."""

    use_required_attribute = False
    start = instant_field("From")
    end = instant_field("Up to")
    basis = forms.ChoiceField(
        required=False, label="By the time", choices=Basis.choices, widget=UnfoldAdminSelectWidget
    )
    known = instant_field("As known at")

    def __init__(self, request: HttpRequest, *, recorded_only: bool = False) -> None:
        self.now = just_after_now()
        asked = {name: request.GET.get(name, "").strip()[:40] for name in ("start", "end", "basis", "known")}
        defaults = {
            "start": self.now.replace(day=1, hour=0, minute=0, second=0).strftime(INSTANT),
            "end": self.now.strftime(INSTANT),
            "basis": Basis.RECORDED.value,
            "known": self.now.strftime(INSTANT),
        }
        if asked["end"] and not asked["start"]:
            defaults["start"] = asked["end"]
        super().__init__({name: asked[name] or defaults[name] for name in asked})
        if recorded_only:
            del self.fields["basis"], self.fields["known"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        start, end, known = (given.get(name) for name in ("start", "end", "known"))
        if start and end and start > end:
            self.add_error("start", "This is after the end.")
        if end and end > self.now and given.get("basis") != Basis.EFFECTIVE:
            self.add_error("end", f"This has not been reached: it is {self.now:%-d %b %Y %H:%M:%S} UTC.")
        if known and known > self.now:
            self.add_error("known", f"This has not been reached: it is {self.now:%-d %b %Y %H:%M:%S} UTC.")
        return given

    @property
    def period(self) -> Period:
        """Of a form that is valid."""
        given = self.cleaned_data
        return Period(given["start"], given["end"], given.get("basis", Basis.RECORDED), given.get("known"))

    @property
    def is_final(self) -> bool:
        """Whether nothing can still be recorded before the last instant that counts."""
        period = self.period
        return (period.known if period.by_effect else period.end) <= self.now - SETTLED_AFTER

    @property
    def presets(self) -> list[tuple[str, str]]:
        """Name and query of the periods that are asked for most."""
        today = midnight(self.now.date())
        month = today.replace(day=1)
        periods = [
            ("Today", today, self.now),
            ("Yesterday", today - timedelta(days=1), today),
            ("This month", month, self.now),
            ("Last month", (month - timedelta(days=1)).replace(day=1), month),
            ("This year", month.replace(month=1), self.now),
        ]
        return [(name, query_of(Period(start, end))) for name, start, end in periods]


class InstantForm(forms.Form):
    """One instant: what is before it counts. What is not given is now."""

    use_required_attribute = False
    at = instant_field("As of")
    basis = forms.ChoiceField(
        required=False, label="By the time", choices=Basis.choices, widget=UnfoldAdminSelectWidget
    )
    known = instant_field("As known at")

    def __init__(self, request: HttpRequest) -> None:
        self.now = just_after_now()
        asked = {name: request.GET.get(name, "").strip()[:40] for name in ("at", "basis", "known")}
        now = self.now.strftime(INSTANT)
        defaults = {"at": now, "basis": Basis.RECORDED.value, "known": now}
        super().__init__({name: asked[name] or defaults[name] for name in asked})

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for name in ("known",) if given.get("basis") == Basis.EFFECTIVE else ("at", "known"):
            if given.get(name) and given[name] > self.now:
                self.add_error(name, f"This has not been reached: it is {self.now:%-d %b %Y %H:%M:%S} UTC.")
        return given

    @property
    def is_final(self) -> bool:
        given = self.cleaned_data
        counts = given["known"] if given["basis"] == Basis.EFFECTIVE else given["at"]
        return bool(counts <= self.now - SETTLED_AFTER)

    @property
    def presets(self) -> list[tuple[str, str]]:
        today = midnight(self.now.date())
        month = today.replace(day=1)
        instants = [("Now", self.now), ("This morning, 00:00", today), ("The 1st of this month", month)]
        last = (month - timedelta(days=1)).replace(day=1)
        return [(name, urlencode({"at": written(at)})) for name, at in [*instants, ("The 1st of last month", last)]]


def just_after_now() -> datetime:
    """The next full second: what has just happened is before it."""
    return (utc_now() + timedelta(seconds=1)).replace(microsecond=0)


def query_of(period: Period, **more: Any) -> str:
    """The address of the same figures, for ever."""
    query: dict[str, Any] = {"start": written(period.start), "end": written(period.end)}
    if period.by_effect:
        query |= {"basis": period.basis, "known": written(period.known)}
    return urlencode(query | more)


def written(at: datetime) -> str:
    at = at.astimezone(UTC)
    return at.strftime(INSTANT) + (f".{at.microsecond:06}" if at.microsecond else "")
