"""Everything that writes: loads of rates, sources, providers and their terms, margins, quotes."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection
from django.db import transaction as db_transaction

from core import audit
from core.days import written
from core.ids import uuid7
from core.jobs import once_a_day
from core.money import EXPONENTS, MAX_MINOR
from core.work import prepared
from fx import selectors
from fx.ages import is_business_day
from fx.errors import (
    FxDayPassed,
    InvalidRateSource,
    InvalidTerms,
    NotFetched,
    ProviderNotFound,
    ProviderSwitched,
    QuoteExpired,
    QuoteMismatch,
    QuoteNotFound,
    QuoteUsed,
    RateFileRefused,
    RateLeaps,
    UnknownRateSource,
)
from fx.exposure import refuse_above
from fx.fetching import check_url, fetch
from fx.leaps import refuse_leaps
from fx.models import (
    ExposureCap,
    Margin,
    Provider,
    ProviderSwitch,
    ProviderTerms,
    Quote,
    QuoteUse,
    Rate,
    RateLoad,
    RateSource,
    RoutingDecision,
)
from fx.pricing import FeeHook, Price, price
from fx.readers.base import CURRENCIES, Read, Reading
from fx.readers.generic import check_options
from fx.readers.reading import read
from fx.routing import trades
from fx.selectors import QuoteTerms, Snapshot, read_quotes, snapshot, source_now, sources_now
from staff.errors import ApprovalNeeded
from staff.models import User

logger = logging.getLogger(__name__)

MIDNIGHT = time(0)
MAX_MOVE, MOST_MOVE = 20, 10_000  # percent
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('fx:cap:' || code, 0)) FROM unnest(%s::text[]) AS p (code)"
# The same locks, then a quote with its decision and trades, where what it takes of daily caps is still there: one call
# of PostgreSQL, which is a transaction of its own, for it stands between a customer and a rate.
KEEP = """
SELECT fx_keep_quote(%(codes)s::text[], %(limits)s::json, %(decision)s::json, %(legs)s::json, %(quote)s::json)
"""
AT_A_TIME = 2_000
MOST_NOTES = 10
KNOWN = """
SELECT DISTINCT ON (base, quote, as_of) base, quote, as_of, bid, mid, ask, revision FROM fx_rate
WHERE source = %s AND as_of BETWEEN %s AND %s AND (base, quote) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
ORDER BY base, quote, as_of, revision DESC
"""


# --- Rates ------------------------------------------------------------------------------------------------------------


def load_rates(
    source: str, content: bytes, *, file_name: str = "", of: date | None = None, actor: Any = None,
    fetched_at: datetime | None = None,
) -> RateLoad:  # fmt: skip
    """Take the rates of one file, all or none. What is known already is not kept twice; another rate for a time that we
    know is its next revision.

    Args:
        of: the file's day, where the file does not say one.
    Returns: the load; ``nothing_new`` for the same file again, or one without anything new in it.
    Raises: UnknownRateSource, RateFileRefused (after a row that says so is committed), also for a rate too far from the
    one before it (`fx/leaps.py`).
    Locks: loads of one source wait for each other.
    """
    row = source_now(source)
    if row is None:
        raise UnknownRateSource(f"There is no source {source[:20]!r}.", source=source[:20])
    said: dict[str, Any] = {
        "source": source, "file_name": file_name[:200], "bytes": len(content), "actor": audit.actor_name(actor),
        "sha256": hashlib.sha256(content).hexdigest(), "fetched_at": fetched_at or datetime.now(UTC),
    }  # fmt: skip
    try:
        if len(content) > settings.FX_FILE_BYTES:
            raise RateFileRefused(f"It is larger than {settings.FX_FILE_BYTES // 2**20} MB.", line=0, field="")
        reading = read(row, content, of=of)
        return _load(row, reading, said, actor)
    except RateFileRefused as refusal:
        state = RateLoad.State.LEAPT if isinstance(refusal, RateLeaps) else RateLoad.State.REFUSED
        RateLoad.objects.create(
            state=state, line=refusal.facts.get("line"), field=refusal.facts.get("field", ""),
            problem=refusal.detail[:300], **said,
        )  # fmt: skip
        _changed()
        raise


def _load(source: RateSource, reading: Reading, said: dict[str, Any], actor: Any) -> RateLoad:
    """Keep what of it is new. Raises: RateFileRefused, where a rate is too far from what is known (`fx/leaps.py`)."""
    times = [one.as_of for one in reading.rates]
    # Into the caller's own: the row of a file that leaps says of which days it was, by which it is doubted and cleared.
    said |= {
        "rows": len(reading.rates), "first_as_of": min(times), "last_as_of": max(times),
        "left_out": sorted(([why, times_] for why, times_ in reading.left_out.items()))[:MOST_NOTES],
    }  # fmt: skip
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"fx:load:{source.code}"])
        added = _new(source.code, reading.rates)
        refuse_leaps(source, [one for one, _ in added])
        revised = sum(revision > 0 for _, revision in added)
        state = RateLoad.State.LOADED if added else RateLoad.State.NOTHING_NEW
        load = RateLoad.objects.create(state=state, added=len(added), revised=revised, **said)
        rows = (
            Rate(
                load=load, source=source.code, base=one.base, quote=one.quote, as_of=one.as_of, revision=revision,
                bid=one.bid, mid=one.mid, ask=one.ask,
            )
            for one, revision in added
        )  # fmt: skip
        Rate.objects.bulk_create(rows, batch_size=AT_A_TIME)
        if isinstance(actor, User):
            after = {"source": source.code, "sha256": load.sha256, "rows": load.rows, "added": load.added}
            audit.record(actor=actor, action="load_rates", subject=load, after=after)
        _changed()
    return load


def _new(source: str, rates: Sequence[Read]) -> list[tuple[Read, int]]:
    """Those that say something we do not know, each with its revision."""
    pairs = {(one.base, one.quote) for one in rates}
    times = [one.as_of for one in rates]
    with connection.cursor() as cursor:
        cursor.execute(
            KNOWN, [source, min(times), max(times), [base for base, _ in pairs], [quote for _, quote in pairs]]
        )
        known = {row[:3]: (row[3:6], row[6]) for row in cursor.fetchall()}
    found = []
    for one in rates:
        before = known.get(one.key)
        if before is None:
            found.append((one, 0))
        elif before[0] != one.said:
            found.append((one, before[1] + 1))
    return found


def fetch_rates(source: str, *, actor: Any = None) -> RateLoad:
    """Get a source's file from its address and load it.

    Raises: UnknownRateSource, NotFetched, InvalidRateSource, RateFileRefused; the last attempt is a row in any case.
    """
    row = source_now(source)
    if row is None:
        raise UnknownRateSource(f"There is no source {source[:20]!r}.", source=source[:20])
    at = datetime.now(UTC)
    try:
        if not (url := url_of(row)):
            raise NotFetched("The source has no address.")
        file = fetch(url)
    except (NotFetched, InvalidRateSource) as refusal:
        RateLoad.objects.create(
            source=source, state=RateLoad.State.NOT_FETCHED, fetched_at=at, problem=refusal.detail[:300],
            actor=audit.actor_name(actor),
        )  # fmt: skip
        raise
    return load_rates(source, file.content, file_name=file.name, of=at.date(), actor=actor, fetched_at=at)


def url_of(source: RateSource) -> str:
    """Its row's address, else that of the settings; without one it is loaded by hand alone."""
    return source.url or str(settings.FX_SOURCE_URLS.get(source.code, ""))


def fetch_all_due() -> int:
    """Every source with an address: a daily one once a business day, after the banks have published, another at each
    call; how many gave something new.

    A daily one is tried three times (`core/jobs.py`); what could not be fetched or read is a row and a line in the log.
    """
    new, at = 0, datetime.now(UTC)
    for source in sources_now():
        if not source.is_on or not url_of(source):
            continue
        if source.daily and (at.hour < settings.FX_FETCH_HOUR or not is_business_day(at.date(), source.calendar)):
            continue
        try:
            if not source.daily:
                new += fetch_rates(source.code).added > 0
                continue
            with once_a_day(f"fx-rates-{source.code}") as day:
                if day is not None:
                    new += fetch_rates(source.code).added > 0
        except (NotFetched, InvalidRateSource, RateFileRefused) as refusal:
            logger.error("no rates from a source", extra={"source": source.code, "error": refusal.code})
    return new


def set_source(
    *, code: str, name: str, format: str, max_age: int, daily: bool = True, url: str = "", calendar: str = "weekdays",
    priority: int = 100, options: Mapping[str, Any] | None = None, pair_max_ages: Mapping[str, int] | None = None,
    max_move: int = MAX_MOVE, is_on: bool = True, actor: Any, checker: User | None = None, reason: str = "",
) -> RateSource:  # fmt: skip
    """From now on the source is like this; its rows before stay.

    Raises: ApprovalNeeded, InvalidRateSource.
    """
    _two_people(actor, checker)
    said = check_source(
        code=code, name=name, format=format, max_age=max_age, daily=daily, url=url, calendar=calendar,
        priority=priority, options=dict(options or {}), pair_max_ages=dict(pair_max_ages or {}), max_move=max_move,
        is_on=is_on,
    )  # fmt: skip
    with db_transaction.atomic():
        row = RateSource.objects.create(**said)
        _acted(row, "set_rate_source", said, actor, checker, reason)
    return row


def check_source(*, max_move: int = MAX_MOVE, **said: Any) -> dict[str, Any]:
    """Raises: InvalidRateSource."""
    said["max_move"] = max_move
    if not said["code"] or not said["name"] or said["format"] not in RateSource.Format.values:
        raise InvalidRateSource("Code, name or format is missing.")
    if said["max_age"] <= 0 or said["calendar"] not in ("weekdays", "target"):
        raise InvalidRateSource("The age limit is above zero, the calendar weekdays or target.")
    if not 0 < said["max_move"] <= MOST_MOVE:
        raise InvalidRateSource(f"Rates may move by 1 to {MOST_MOVE:,} percent.")
    check_options(said["format"], said["options"])
    for pair, limit in said["pair_max_ages"].items():
        if not set(pair.split("/")) <= CURRENCIES or len(pair) != 7 or not isinstance(limit, int) or limit <= 0:
            raise InvalidRateSource(f"{pair[:10]} is no pair with an age limit, such as USD/NGN: 3.")
    if said["url"]:
        check_url(said["url"])
    return said


# --- Providers, terms, margins ---------------------------------------------------------------------------------------


def add_provider(*, code: str, name: str, actor: Any, reason: str = "") -> Provider:
    """Somebody with whom terms can be agreed. Raises: InvalidTerms for a code that is taken."""
    try:
        with db_transaction.atomic():
            row = Provider.objects.create(code=code, name=name)
            _acted(row, "add_fx_provider", {"code": code, "name": name}, actor, None, reason)
    except IntegrityError as exc:
        raise InvalidTerms(f"There is a provider {code} already.") from exc
    return row


def provider_of(code: str) -> Provider:
    """Raises: ProviderNotFound."""
    found = Provider.objects.filter(code=code).first()
    if found is None:
        raise ProviderNotFound(provider=code)
    return found


def add_terms(
    *, provider: str, sell: str, buy: str, cost_bps: int, maximum: int, effective_from: date, flat: int = 0,
    minimum: int = 1, daily_cap: int | None = None, speed_seconds: int = 0, opens: time = MIDNIGHT,
    closes: time = MIDNIGHT, weekdays: str = "1234567", priority: int = 100, rate_source: str = "",
    is_on: bool = True, actor: Any, checker: User | None = None, reason: str = "",
) -> ProviderTerms:  # fmt: skip
    """From that day on the provider (its code) trades like this; the latest row of a day counts.

    Raises: ApprovalNeeded, ProviderNotFound, InvalidTerms, FxDayPassed.
    """
    _two_people(actor, checker)
    of = provider_of(provider)
    said = check_terms(
        sell=sell, buy=buy, cost_bps=cost_bps, maximum=maximum, effective_from=effective_from, flat=flat,
        minimum=minimum, daily_cap=daily_cap, speed_seconds=speed_seconds, opens=opens, closes=closes,
        weekdays=weekdays, priority=priority, rate_source=rate_source, is_on=is_on,
    )  # fmt: skip
    with db_transaction.atomic():
        row = ProviderTerms.objects.create(provider=of, **said)
        after = {"provider": provider} | {
            name: value if isinstance(value, (int, bool, type(None))) else str(value) for name, value in said.items()
        }
        _acted(row, "add_provider_terms", after, actor, checker, reason)
    return row


def check_terms(**said: Any) -> dict[str, Any]:
    """Raises: InvalidTerms, FxDayPassed."""
    if said["sell"] == said["buy"] or not {said["sell"], said["buy"]} <= set(EXPONENTS):
        raise InvalidTerms("Terms are for two different currencies of ours.")
    if not 0 <= said["cost_bps"] < 10_000 or said["flat"] < 0:
        raise InvalidTerms("A cost is nothing or more, and less than the whole amount.")
    if not 0 < said["minimum"] <= said["maximum"] or (said["daily_cap"] is not None and said["daily_cap"] <= 0):
        raise InvalidTerms("The minimum is above zero and not above the maximum; the daily cap is above zero.")
    if not said["weekdays"] or not set(said["weekdays"]) <= set("1234567"):
        raise InvalidTerms("Weekdays are digits from 1, Monday, to 7.")
    if said["rate_source"] and source_now(said["rate_source"]) is None:
        raise InvalidTerms(f"There is no source of rates {said['rate_source'][:20]}.")
    check_day(said["effective_from"])
    return said


def check_day(day: date) -> None:
    """Raises: FxDayPassed. By UTC."""
    if day < datetime.now(UTC).date():
        raise FxDayPassed(f"{day:%-d %b %Y} has passed.")


def switch_provider(provider: UUID, *, on: bool, reason: str, actor: Any) -> ProviderSwitch:
    """Take a provider out of routing at once, or back in; open quotes keep what they promise.

    Raises: ProviderNotFound, ProviderSwitched (it is so already).
    """
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"fx:switch:{provider}"])
        row = Provider.objects.filter(pk=provider).first()
        if row is None:
            raise ProviderNotFound()
        was_on = row.pk not in selectors.switched_off()
        if was_on == on:
            raise ProviderSwitched()
        switch = ProviderSwitch.objects.create(
            provider=row, is_on=on, reason=reason[:500], actor=audit.actor_name(actor)
        )
        audit.record(
            actor=actor, action="switch_fx_provider", subject=row, before={"is_on": was_on}, after={"is_on": on},
            reason=reason,
        )  # fmt: skip
        _changed()
    return switch


def add_margin(
    *, sell: str = "", buy: str = "", tier: int | None = None, bps: int, effective_from: date, actor: Any,
    checker: User | None = None, reason: str = "",
) -> Margin:  # fmt: skip
    """From that day on we keep so much. Raises: ApprovalNeeded, InvalidTerms, FxDayPassed."""
    _two_people(actor, checker)
    said = check_margin(sell=sell, buy=buy, tier=tier, bps=bps, effective_from=effective_from)
    with db_transaction.atomic():
        row = Margin.objects.create(**said)
        _acted(row, "add_fx_margin", said | {"effective_from": str(effective_from)}, actor, checker, reason)
    return row


def check_margin(**said: Any) -> dict[str, Any]:
    """Raises: InvalidTerms, FxDayPassed."""
    if not {said["sell"], said["buy"]} <= {"", *EXPONENTS} or (said["sell"] and said["sell"] == said["buy"]):
        raise InvalidTerms("A margin is for two different currencies of ours, or for any.")
    if not 0 <= said["bps"] < 10_000:
        raise InvalidTerms("A margin is nothing or more, and less than the whole amount.")
    check_day(said["effective_from"])
    return said


def add_exposure_cap(
    *, currency: str, most: int | None, effective_from: date, actor: Any, checker: User | None = None, reason: str = ""
) -> ExposureCap:
    """From that day on our position in the currency goes no further, either way; ``most`` of None lifts the cap.

    Quotes that are open keep what they promise. Raises: ApprovalNeeded, InvalidTerms, FxDayPassed.
    """
    _two_people(actor, checker)
    said = check_exposure_cap(currency=currency, most=most, effective_from=effective_from)
    with db_transaction.atomic():
        row = ExposureCap.objects.create(**said)
        _acted(row, "add_exposure_cap", said | {"effective_from": str(effective_from)}, actor, checker, reason)
    return row


def check_exposure_cap(**said: Any) -> dict[str, Any]:
    """Raises: InvalidTerms, FxDayPassed."""
    if said["currency"] not in EXPONENTS:
        raise InvalidTerms("A cap is for a currency of ours.")
    if said["most"] is not None and not 0 < said["most"] <= MAX_MINOR:
        raise InvalidTerms("A cap is above zero.")
    check_day(said["effective_from"])
    return said


def _two_people(actor: Any, checker: User | None) -> None:
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("What exchange costs is changed by two people.")


def _acted(row: Any, action: str, after: Mapping[str, Any], actor: Any, checker: User | None, reason: str) -> None:
    said = dict(after) | ({"approved_by": checker.principal} if checker else {})
    audit.record(actor=actor, action=action, subject=row, after=said, reason=reason)
    _changed()


def _changed() -> None:
    """This process reads afresh now, and again when others can see it; other processes within a second."""
    selectors.forget()
    db_transaction.on_commit(selectors.forget)


# --- Quotes -----------------------------------------------------------------------------------------------------------


def estimate(
    *, sell: str, buy: str, sell_minor: int | None = None, buy_minor: int | None = None, tier: int | None = None,
    within_seconds: int | None = None, kind: str = "conversion",
) -> tuple[Snapshot, Price]:  # fmt: skip
    """What it would cost now; writes nothing and promises nothing. Raises: as `quote`."""
    now = snapshot()
    found = price(
        now, sell=sell, buy=buy, sell_minor=sell_minor, buy_minor=buy_minor, tier=tier, within_seconds=within_seconds,
        kind=kind, used=selectors.used_today(_capped(now))[1],
    )  # fmt: skip
    refuse_above(now.caps, found, waiting=False)
    return now, found


def quote(
    *, caller: str, sell: str, buy: str, sell_minor: int | None = None, buy_minor: int | None = None,
    tier: int | None = None, within_seconds: int | None = None, kind: str = "conversion", fee: FeeHook | None = None,
    may_move: Callable[[int], None] | None = None,
) -> Quote:  # fmt: skip
    """Promise a caller a conversion, for ``settings.FX_QUOTE_SECONDS``.

    Args:
        caller: whose it is, such as ``customer:<uuid>``; nobody else can take it.
        sell_minor, buy_minor: exactly one of them: all that is taken, the fee included, or all that is received.
        tier: for the margin.
        within_seconds: no route that takes longer.
        kind: of movement, for the fee.
        fee: what it costs this caller; without it everybody's fee (`settings.FX_FEE`).
        may_move: refuses what this caller could not take anyway, told how much would be exchanged.
    Raises: SameCurrency, AmountNotPositive, AmountTooLarge, AmountTooSmallToConvert, NoRoute, RateStale, RateMissing,
        FxExposureExceeded, and what ``may_move`` raises.
    Locks: where the route uses a provider with a daily cap, quotes that do wait for each other while they are written,
        so that two do not promise the same rest of it: of whom not enough is left, the next way is found after all
        others. Where our position in one of the two currencies has a cap, likewise, after that.
    """
    now = snapshot()
    asked: dict[str, Any] = {
        "sell": sell, "buy": buy, "sell_minor": sell_minor, "buy_minor": buy_minor, "tier": tier,
        "within_seconds": within_seconds, "kind": kind, "fee": fee, "may_move": may_move,
    }  # fmt: skip
    capped = _capped(now)
    promise: dict[str, Any] = {"caller": caller, "kind": kind, "tier": tier}
    if not now.caps.keys() & {sell, buy}:
        at, used = selectors.used_today(capped)
        if made := _keep(now, price(now, used=used, **asked), at=at, **promise):
            return made
        # Somebody else was promised meanwhile what this one needs.
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK, [sorted({one.provider.code for one in now.terms if one.daily_cap is not None})])
        at, used = selectors.used_today(capped)
        found = price(now, used=used, **asked)
        refuse_above(now.caps, found, waiting=True)
        made = _keep(now, found, at=at, alone=True, **promise)
        assert made
        return made


def _capped(now: Snapshot) -> list[UUID]:
    return sorted({one.provider_id for one in now.terms if one.daily_cap is not None})


def _keep(
    now: Snapshot, found: Price, *, caller: str, kind: str, tier: int | None, at: datetime, alone: bool = False
) -> Quote | None:
    """None where providers have not as much left of their day as the route takes; then nothing is written.

    Args:
        alone: the caller holds the locks of all capped providers, and priced after that.
    Locks: else each capped provider of the route, by name.
    """
    route = found.route
    decision = RoutingDecision(
        sell=found.sell, buy=found.buy, sell_minor=route.sell_minor, buy_minor=route.buy_minor,
        benchmark_minor=found.benchmark_minor, benchmark=found.benchmark.said[:120], via=route.via[:60],
        speed_seconds=route.speed, is_split=route.is_split, at=at,
        alternatives=[one._asdict() for one in route.alternatives],
        left_out=[one._asdict() for one in now.left_out if {found.sell, found.buy} & {one.sell, one.buy}][:20],
    )  # fmt: skip
    legs, takes = [], defaultdict[str, int](int)
    for part, number, leg in trades(route.parts):
        terms = now.terms_of[leg.offer.key]
        if terms.daily_cap is not None and not alone:
            takes[leg.offer.key] += leg.sell_minor
        legs.append(
            {
                "id": uuid7(), "decision_id": decision.pk, "part": part, "number": number,
                "provider_id": terms.provider_id, "terms_id": terms.pk, "sell": leg.offer.sell, "buy": leg.offer.buy,
                "sell_minor": leg.sell_minor, "buy_minor": leg.buy_minor,
            }
        )  # fmt: skip
    made = Quote(
        caller=caller, kind=kind, fixed=found.fixed, sell=found.sell, buy=found.buy, sell_minor=found.sell_minor,
        fee_minor=found.fee_minor, buy_minor=found.buy_minor, margin_minor=found.margin_minor,
        margin_bps=found.margin_bps, tier=tier, decision=decision, created_at=at,
        expires_at=expiry(at),
    )  # fmt: skip
    limits = [
        {
            "provider": terms.provider_id, "sell": terms.sell, "buy": terms.buy, "takes": minor, "cap": terms.daily_cap,
            "day": at.astimezone(UTC).date(), "at": at,
        }
        for terms, minor in ((now.terms_of[key], minor) for key, minor in takes.items())
    ]  # fmt: skip
    codes = sorted({now.terms_of[key].provider.code for key in takes})
    documents = {"limits": limits, "decision": [_row(decision)], "legs": legs, "quote": [_row(made)]}
    given = {name: msgspec.json.encode(document).decode() for name, document in documents.items()}
    ((is_kept,),) = prepared(KEEP, {"codes": codes, **given})
    return made if is_kept else None


def expiry(at: datetime) -> datetime:
    """After ``settings.FX_QUOTE_SECONDS``, at the next full second: what expires together is counted in one row."""
    whole = at.replace(microsecond=0)
    return whole + timedelta(seconds=settings.FX_QUOTE_SECONDS + (at > whole))


def _row(of: Any) -> dict[str, Any]:
    """A model instance as the columns of its table."""
    return {one.column: getattr(of, one.attname) for one in of._meta.concrete_fields}


def verify_quote(
    found: QuoteTerms | None, *, caller: str, at: datetime, sell: str = "", buy: str = "", sell_minor: int | None = None
) -> QuoteTerms:
    """Whether ``caller`` may convert with it at ``at``: pure, for who posts, after the lock (`selectors.read_quotes`).

    Args:
        at: database time under the lock; the quote holds to ``expires_at``, that moment included. Before it was made,
            where the clock was set back since, it holds for nobody: how long ago that was cannot be told any more.
        sell, buy, sell_minor: of the conversion, where it says them.
    Raises: QuoteNotFound (also for somebody else's), QuoteUsed, QuoteExpired, QuoteMismatch.
    """
    if found is None or found.caller != caller:
        raise QuoteNotFound()
    if found.used_by is not None:
        raise QuoteUsed(transaction_id=str(found.used_by))
    if not found.created_at <= at <= found.expires_at:
        raise QuoteExpired(expires_at=written(found.expires_at))
    if (sell or found.sell, buy or found.buy) != (found.sell, found.buy) or sell_minor not in (None, found.sell_minor):
        raise QuoteMismatch()
    return found


class Taken(NamedTuple):
    """A quote and the conversion that takes it, at the time at which it was decided."""

    quote: UUID
    transaction: UUID
    at: datetime


def use_quotes(taken: Iterable[Taken]) -> None:
    """Write that these quotes are used, with the conversions, in the caller's database transaction; one statement.

    Raises: QuoteUsed where another conversion came first and QuoteExpired where ``at`` is too late, whatever was
    verified; PostgreSQL holds both for any client. Then nothing of the caller's transaction can stay.
    """
    rows = [QuoteUse(quote_id=one.quote, transaction=one.transaction, at=one.at) for one in taken]
    try:
        QuoteUse.objects.bulk_create(rows)
    except DatabaseError as exc:
        refusals = {"TK042": QuoteExpired, "23505": QuoteUsed}
        if (refusal := refusals.get(getattr(exc.__cause__, "sqlstate", ""))) is None:
            raise
        raise refusal() from exc


def take_quote(quote_id: UUID, *, caller: str, transaction: UUID, at: datetime | None = None) -> QuoteTerms:
    """Verify one quote and mark it used, in the caller's database transaction. For who takes one at a time.

    Raises: QuoteNotFound, QuoteUsed, QuoteExpired.
    """
    at = at or _clock()
    found = verify_quote(read_quotes([quote_id]).get(quote_id), caller=caller, at=at)
    use_quotes([Taken(quote_id, transaction, at)])
    return found


def _clock() -> datetime:
    """The database's time: what expires is judged by it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
