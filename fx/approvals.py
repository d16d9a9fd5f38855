"""What a second person approves of exchange: what providers cost, what we keep, how far positions go, whose rates."""

from datetime import date, time
from typing import Any

from core.money import Money, grouped
from fx.models import ExposureCap, Margin, ProviderTerms, RateSource
from fx.selectors import source_now
from fx.services import (
    MAX_MOVE,
    add_exposure_cap,
    add_margin,
    add_terms,
    check_exposure_cap,
    check_margin,
    check_source,
    check_terms,
    provider_of,
    set_source,
)
from staff.approvals import About, Fact, Operation, Preview, Row, lock_name
from staff.models import Approval, User

REQUEST, CHECK = "fx.change_terms", "fx.approve_terms"
WEEKDAYS = dict(zip("1234567", ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]))


class TermsChange(Operation):
    """New terms of a provider for one pair.

    ``params``: provider (code), sell, buy, rate_source, cost_bps, flat, minimum, maximum, daily_cap (minor units or
    None), speed_seconds, opens, closes (HH:MM), weekdays, priority, is_on, effective_from.
    """

    name = "fx_terms"
    title = "Terms of a provider"
    request, check = REQUEST, CHECK

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        cleaned = {
            "provider": str(params["provider"]), "sell": str(params["sell"]), "buy": str(params["buy"]),
            "rate_source": str(params.get("rate_source") or ""), "cost_bps": int(params["cost_bps"]),
            "flat": int(params["flat"]), "minimum": int(params["minimum"]), "maximum": int(params["maximum"]),
            "daily_cap": None if params["daily_cap"] is None else int(params["daily_cap"]),
            "speed_seconds": int(params["speed_seconds"]), "opens": str(params["opens"])[:5],
            "closes": str(params["closes"])[:5], "weekdays": str(params["weekdays"]),
            "priority": int(params["priority"]), "is_on": bool(params["is_on"]),
            "effective_from": str(params["effective_from"]),
        }  # fmt: skip
        check_terms(**_terms(cleaned))
        return cleaned

    def about(self, params: dict[str, Any]) -> About:
        provider = provider_of(params["provider"])
        title = f"{provider.name}, {params['sell']} to {params['buy']}, from {_day(params):%-d %b %Y}"
        subject = Row("fx.provider", str(provider.pk), provider.name)
        return About(title=title, subject=subject, slot=_slot(params))

    def lock(self, params: dict[str, Any]) -> None:
        """Rows are only added, so there is none to lock: their name."""
        lock_name(f"fx_terms:{_slot(params)}")

    def preview(self, params: dict[str, Any]) -> Preview:
        check_terms(**_terms(params))
        before, sell = self._before(params), params["sell"]
        said_before = said_terms(before) if before else {}
        new = ProviderTerms(**_terms(params))
        facts = [
            Fact("Provider", provider_of(params["provider"]).name),
            Fact("Pair", f"{sell} to {params['buy']}"),
            Fact("From", f"{_day(params):%-d %b %Y}"),
        ]
        for label, value in said_terms(new).items():
            facts.append(Fact(label, changed(said_before.get(label), value)))
        return Preview(facts=facts)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        row = add_terms(
            provider=params["provider"], **_terms(params), actor=approval.maker, checker=checker, reason=approval.reason
        )
        return Row("fx.providerterms", str(row.pk), "The new terms")

    def _before(self, params: dict[str, Any]) -> ProviderTerms | None:
        """What would count on that day without the change."""
        rows = ProviderTerms.objects.filter(
            provider__code=params["provider"], sell=params["sell"], buy=params["buy"], effective_from__lte=_day(params)
        )
        return rows.order_by("-effective_from", "-id").first()


def said_terms(terms: ProviderTerms) -> dict[str, str]:
    """Terms in words, by label; the same words wherever they are shown."""
    sell = terms.sell
    hours = "all day" if terms.opens == terms.closes else f"{terms.opens:%H:%M} to {terms.closes:%H:%M} UTC"
    days = ", ".join(WEEKDAYS[digit] for digit in sorted(terms.weekdays))
    return {
        "Offered": "yes" if terms.is_on else "no",
        "Cost": percent(terms.cost_bps),
        "Cost of each trade": str(Money(terms.flat, sell)),
        "One trade": f"{Money(terms.minimum, sell)} to {grouped(terms.maximum, sell)}",
        "At most a day": "no cap" if terms.daily_cap is None else str(Money(terms.daily_cap, sell)),
        "Takes": said_seconds(terms.speed_seconds),
        "Open": f"{hours}, {days}" if set(terms.weekdays) != set(WEEKDAYS) else hours,
        "Rate": terms.rate_source or "the benchmark",
        "Priority": str(terms.priority),
    }


def said_seconds(seconds: int) -> str:
    """``at once``, ``90 s``, ``15 min``, ``4 h``."""
    if not seconds:
        return "at once"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def percent(bps: int) -> str:
    return f"{bps // 100}.{bps % 100:02} %"


def changed(before: str | None, after: str) -> str:
    return after if before in (None, after) else f"{before} → {after}"


def _terms(params: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in params.items() if name != "provider"}
    hours = {name: time.fromisoformat(params[name]) for name in ("opens", "closes")}
    return said | hours | {"effective_from": _day(params)}


def _day(params: dict[str, Any]) -> date:
    return date.fromisoformat(params["effective_from"])


def _slot(params: dict[str, Any]) -> str:
    return f"{params['provider']}:{params['sell']}:{params['buy']}"


class MarginChange(Operation):
    """What we keep. ``params``: sell, buy (empty: any), tier (or None), bps, effective_from."""

    name = "fx_margin"
    title = "Margin on exchange"
    request, check = REQUEST, CHECK

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        cleaned = {
            "sell": str(params["sell"] or ""), "buy": str(params["buy"] or ""), "bps": int(params["bps"]),
            "tier": None if params["tier"] is None else int(params["tier"]),
            "effective_from": str(params["effective_from"]),
        }  # fmt: skip
        check_margin(**cleaned | {"effective_from": _day(cleaned)})
        return cleaned

    def about(self, params: dict[str, Any]) -> About:
        row, title = self._before(params), f"Margin, {said_scope(params['sell'], params['buy'], params['tier'])}"
        subject = Row("fx.margin", str(row.pk), title) if row else Row("", "", f"{title} (none so far)")
        slot = f"{params['sell']}:{params['buy']}:{params['tier']}"
        return About(title=f"{title}, from {_day(params):%-d %b %Y}", subject=subject, slot=slot)

    def lock(self, params: dict[str, Any]) -> None:
        lock_name("fx_margin")

    def preview(self, params: dict[str, Any]) -> Preview:
        check_margin(**params | {"effective_from": _day(params)})
        before = self._before(params)
        return Preview(
            facts=[
                Fact("Which", said_scope(params["sell"], params["buy"], params["tier"])),
                Fact("From", f"{_day(params):%-d %b %Y}"),
                Fact("We keep", changed(percent(before.bps) if before else None, percent(params["bps"]))),
            ]
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        said = approval.params | {"effective_from": _day(approval.params)}
        row = add_margin(**said, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("fx.margin", str(row.pk), "The new margin")

    def _before(self, params: dict[str, Any]) -> Margin | None:
        rows = Margin.objects.filter(sell=params["sell"], buy=params["buy"], tier=params["tier"])
        return rows.filter(effective_from__lte=_day(params)).order_by("-effective_from", "-id").first()


def said_scope(sell: str, buy: str, tier: int | None) -> str:
    pair = f"{sell or 'any currency'} to {buy or 'any currency'}" if sell or buy else "all currencies"
    return pair if tier is None else f"{pair}, KYC tier {tier}"


class CapChange(Operation):
    """How far our position in a currency goes. ``params``: currency, most (minor units or None), effective_from."""

    name = "fx_exposure_cap"
    title = "Exposure cap"
    request, check = REQUEST, CHECK

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        cleaned = {
            "currency": str(params["currency"]), "most": None if params["most"] is None else int(params["most"]),
            "effective_from": str(params["effective_from"]),
        }  # fmt: skip
        check_exposure_cap(**cleaned | {"effective_from": _day(cleaned)})
        return cleaned

    def about(self, params: dict[str, Any]) -> About:
        row, title = self._before(params), f"Exposure cap, {params['currency']}"
        subject = Row("fx.exposurecap", str(row.pk), title) if row else Row("", "", f"{title} (none so far)")
        return About(title=f"{title}, from {_day(params):%-d %b %Y}", subject=subject, slot=params["currency"])

    def lock(self, params: dict[str, Any]) -> None:
        lock_name(f"fx_exposure_cap:{params['currency']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        check_exposure_cap(**params | {"effective_from": _day(params)})
        currency, row = params["currency"], self._before(params)
        before = said_cap(row.most if row else None, currency)
        return Preview(
            facts=[
                Fact("Currency", currency),
                Fact("From", f"{_day(params):%-d %b %Y}"),
                Fact("At most, either way", changed(before, said_cap(params["most"], currency))),
            ]
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        said = approval.params | {"effective_from": _day(approval.params)}
        row = add_exposure_cap(**said, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("fx.exposurecap", str(row.pk), "The new cap")

    def _before(self, params: dict[str, Any]) -> ExposureCap | None:
        rows = ExposureCap.objects.filter(currency=params["currency"], effective_from__lte=_day(params))
        return rows.order_by("-effective_from", "-id").first()


def said_cap(most: int | None, currency: str) -> str:
    return "no cap" if most is None else str(Money(most, currency))


class SourceChange(Operation):
    """A source of rates, new or as it will be. ``params``: those of `services.set_source`, but who asks."""

    name = "fx_source"
    title = "Source of exchange rates"
    request, check = REQUEST, CHECK

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return check_source(
            code=str(params["code"]), name=str(params["name"]), format=str(params["format"]), url=str(params["url"]),
            options=dict(params["options"]), daily=bool(params["daily"]), max_age=int(params["max_age"]),
            pair_max_ages=dict(params["pair_max_ages"]), calendar=str(params["calendar"]),
            priority=int(params["priority"]), max_move=int(params.get("max_move", MAX_MOVE)),
            is_on=bool(params["is_on"]),
        )  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        row = source_now(params["code"])
        title = f"Source of rates: {params['name']}"
        subject = Row("fx.ratesource", str(row.pk), title) if row else Row("", "", f"{title} (new)")
        return About(title=title, subject=subject, slot=params["code"])

    def lock(self, params: dict[str, Any]) -> None:
        lock_name(f"fx_source:{params['code']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        check_source(**params)
        row = source_now(params["code"])
        before = said_source(row) if row else {}
        facts = [Fact("Code", params["code"])]
        facts += [
            Fact(label, changed(before.get(label), value)) for label, value in said_source(RateSource(**params)).items()
        ]
        return Preview(facts=facts)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        row = set_source(**approval.params, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("fx.ratesource", str(row.pk), row.name)


def said_source(source: RateSource) -> dict[str, str]:
    """A source in words, by label."""
    unit = "business days" if source.daily else "minutes"
    return {
        "Name": source.name,
        "In use": "yes" if source.is_on else "no",
        "Files": RateSource.Format(source.format).label,
        "Address": source.url or "none of its own",
        "Options": ", ".join(f"{name}: {value}" for name, value in sorted(source.options.items())) or "none",
        "Too old after": f"{source.max_age} {unit}",
        "Other limits": ", ".join(f"{pair} {age}" for pair, age in sorted(source.pair_max_ages.items())) or "none",
        "Rates may move by": f"{source.max_move} %",
        "Published": "TARGET days" if source.calendar == "target" else "Monday to Friday",
        "Priority": str(source.priority),
    }


terms, margins, caps, sources = TermsChange(), MarginChange(), CapChange(), SourceChange()
