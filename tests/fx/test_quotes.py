"""A quote is a promise: priced once, honoured to the last second, for one caller, once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils.timezone import now

from core.errors import AmountNotPositive, AmountTooLarge
from core.ids import uuid7
from core.roles import connected_as_owner
from fx import selectors, services
from fx.errors import (
    AmountTooSmallToConvert,
    InvalidTerms,
    NoRoute,
    ProviderSwitched,
    QuoteExpired,
    QuoteMismatch,
    QuoteNotFound,
    QuoteUsed,
    RateStale,
    SameCurrency,
)
from fx.models import Margin, Provider, ProviderUse, Quote, QuoteUse, RouteLeg, RoutingDecision
from fx.services import Taken
from staff.errors import ApprovalNeeded
from staff.models import User
from tests.fx.conftest import CALLER, load_rates_of, terms, today
from tests.racing import at_once
from transactions.verify import verify

pytestmark = pytest.mark.django_db


def ask(sell: str = "KES", buy: str = "USD", **said: Any) -> Quote:
    said = said if {"sell_minor", "buy_minor"} & set(said) else {"sell_minor": 13_000_00} | said
    return services.quote(**{"caller": CALLER, "sell": sell, "buy": buy} | said)


def read(one: Quote) -> selectors.QuoteTerms:
    return selectors.read_quotes([one.pk])[one.pk]


# --- Price ------------------------------------------------------------------------------------------------------------


def test_what_is_given_is_fixed(market: None) -> None:
    """KES 13,000 at 130, 0.40 % to the bank, 0.50 % to us: both rounded down."""
    one = ask()

    assert (one.sell_minor, one.fee_minor) == (13_000_00, 0)
    assert one.decision.benchmark_minor == 100_00
    assert one.decision.buy_minor == 99_60
    assert (one.buy_minor, one.margin_minor) == (99_10, 50)
    assert one.decision.buy_minor == read(one).buy_minor + read(one).margin_minor


def test_what_is_received_is_fixed_and_costs_as_little_as_it_may(market: None) -> None:
    one = ask(buy_minor=99_10)

    assert one.buy_minor == 99_10 and one.fixed == "buy"
    assert one.sell_minor <= 13_000_00
    assert services.estimate(sell="KES", buy="USD", sell_minor=one.sell_minor - 200)[1].buy_minor < 99_10
    assert one.margin_minor >= 99_10 * 50 // 10_000


def test_it_goes_through_dollars_where_that_is_cheaper_and_says_what_else_there_was(market: None) -> None:
    one = ask("KES", "NGN")

    legs = list(RouteLeg.objects.filter(decision=one.decision).values_list("provider__code", "sell_minor", "buy_minor"))
    assert one.decision.via == "KES>USD>NGN"
    assert legs == [("wekeza", 13_000_00, 99_60), ("lagos", 99_60, 148_503_60)]
    assert one.decision.alternatives[0]["via"] == "KES>NGN (duka)"
    assert one.decision.alternatives[0]["why_not"] == "{} less"
    assert one.decision.alternatives[0]["of_minor"] == 148_503_60 - 146_250_00
    assert one.decision.speed_seconds == 3600


def test_a_fee_is_taken_from_what_is_given(market: None, settings: Any) -> None:
    settings.FX_FEE = "tests.fx.test_quotes.one_percent"

    one = ask()
    asked = ask(buy_minor=one.buy_minor)

    assert (one.sell_minor, one.fee_minor, one.decision.sell_minor) == (13_000_00, 130_00, 12_870_00)
    assert asked.fee_minor == one_percent("conversion", "KES", asked.sell_minor)
    assert asked.sell_minor - asked.fee_minor == asked.decision.sell_minor
    assert asked.sell_minor <= one.sell_minor


def one_percent(kind: str, currency: str, amount_minor: int) -> int:
    return amount_minor // 100


def test_the_margin_that_says_most_counts(market: None) -> None:
    services.add_margin(sell="KES", bps=100, effective_from=today(), actor=None)
    services.add_margin(sell="KES", buy="USD", tier=2, bps=10, effective_from=today(), actor=None)
    services.add_margin(sell="KES", buy="USD", bps=0, effective_from=today() + timedelta(days=1), actor=None)

    found = [ask(tier=tier).margin_bps for tier in (None, 1, 2)]

    assert found == [100, 100, 10]
    assert ask("USD", "KES", sell_minor=100_00).margin_bps == 50, "as the migration set it"


def test_nobody_gets_more_than_the_benchmark_gives(market: None) -> None:
    """A provider whose price is off by a mile: what is above the mid rate is ours, and goes round in no circle."""
    services.set_source(code="odd", name="Odd", format="cbk", max_age=3, priority=500, max_move=30, actor=None)
    services.load_rates("odd", f"Date,Currency,Mean,Buy,Sell\n{today():%d/%m/%Y},US DOLLAR,100,100,100\n".encode())
    services.add_provider(code="odd", name="Odd", actor=None)
    terms("odd", "KES", "USD", 0, rate_source="odd")
    services.add_margin(bps=0, effective_from=today(), actor=None)

    one = ask()

    assert one.buy_minor == one.decision.benchmark_minor == 100_00


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"buy": "KES"}, SameCurrency),
        ({"sell_minor": 0}, AmountNotPositive),
        ({"sell_minor": 10**16}, AmountTooLarge),
        ({"sell_minor": 10}, AmountTooSmallToConvert),
        ({"sell_minor": 10**14}, NoRoute),
        ({"buy": "ZAR"}, NoRoute),
        ({"buy": "NGN", "within_seconds": 60, "sell_minor": 10**9}, NoRoute),
    ],
)
def test_what_cannot_be_quoted_is_refused_and_leaves_nothing(
    market: None, said: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        ask(**said)

    assert not Quote.objects.exists() and not RoutingDecision.objects.exists()


def test_nothing_is_quoted_with_an_old_rate(db: None) -> None:
    load_rates_of(today() - timedelta(days=20))
    services.add_provider(code="wekeza", name="Wekeza Bank", actor=None)
    terms("wekeza", "KES", "USD", 40)

    with pytest.raises(RateStale):
        ask()


def test_an_estimate_is_the_quote_and_writes_nothing(market: None) -> None:
    _, found = services.estimate(sell="KES", buy="NGN", sell_minor=13_000_00)

    assert not RoutingDecision.objects.exists()
    assert found.buy_minor == ask("KES", "NGN").buy_minor


# --- Providers --------------------------------------------------------------------------------------------------------


def test_a_provider_that_is_switched_off_or_closed_is_left_out_and_named(market: None) -> None:
    lagos = Provider.objects.get(code="lagos")
    services.switch_provider(lagos.pk, on=False, reason="does not answer", actor=None)

    one = ask("KES", "NGN", sell_minor=1_000_00)

    assert one.decision.via == "KES>NGN"
    assert {"provider": "lagos", "sell": "USD", "buy": "NGN", "why": "switched off"} in one.decision.left_out
    with pytest.raises(ProviderSwitched):
        services.switch_provider(lagos.pk, on=False, reason="again", actor=None)
    services.switch_provider(lagos.pk, on=True, reason="back", actor=None)
    assert ask("KES", "NGN", sell_minor=1_000_00).decision.via == "KES>USD>NGN"


def test_open_quotes_count_towards_a_daily_cap_until_they_expire(market: None) -> None:
    terms("wekeza", "KES", "USD", 40, daily_cap=20_000_00)
    assert ask().decision.via == "KES>USD"

    assert ask(sell_minor=8_000_00).decision.is_split
    assert sold_to("wekeza") == 20_000_00

    at = now() + timedelta(seconds=61)
    assert selectors.used_today([Provider.objects.get(code="wekeza").pk], at) == (at, {})


def test_two_at_once_do_not_promise_the_same_rest(transactional_db: None, market: None) -> None:
    terms("wekeza", "KES", "USD", 40, daily_cap=20_000_00)

    at_once([ask] * 4)

    assert sold_to("wekeza") == 20_000_00
    assert sum(RoutingDecision.objects.values_list("sell_minor", flat=True)) == 4 * 13_000_00


def sold_to(provider: str) -> int:
    return sum(RouteLeg.objects.filter(provider__code=provider, sell="KES").values_list("sell_minor", flat=True))


def test_hours_that_go_over_midnight(market: None) -> None:
    from datetime import UTC, datetime, time

    row = terms("duka", "KES", "USD", 40, opens=time(22), closes=time(4), weekdays="5")
    friday = datetime(2026, 3, 6, tzinfo=UTC)

    assert selectors.is_open(row, friday.replace(hour=23))
    assert selectors.is_open(row, friday.replace(hour=3) + timedelta(days=1))
    assert not selectors.is_open(row, friday.replace(hour=3))
    assert not selectors.is_open(row, friday.replace(hour=12))


def test_terms_and_margins_are_changed_by_two_people(market: None) -> None:
    person = User.objects.create_user("finance", "correct horse battery staple", "finance")
    with pytest.raises(ApprovalNeeded):
        terms("wekeza", "KES", "USD", 1, actor=person)
    with pytest.raises(ApprovalNeeded):
        services.add_margin(bps=1, effective_from=today(), actor=person)


@pytest.mark.parametrize(
    "wrong",
    [{"cost_bps": 10_000}, {"buy": "KES"}, {"minimum": 0}, {"minimum": 5, "maximum": 4}, {"flat": -1}, {"daily_cap": 0},
     {"weekdays": "8"}, {"rate_source": "nobody"}],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(market: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidTerms):
        terms(**{"provider": "wekeza", "sell": "KES", "buy": "USD", "cost_bps": 1} | wrong)


# --- Taking it --------------------------------------------------------------------------------------------------------


def test_it_is_taken_once(market: None) -> None:
    one, conversion = ask(), uuid7()

    taken = services.take_quote(one.pk, caller=CALLER, transaction=conversion)

    assert (taken.sell_minor, taken.buy_minor) == (one.sell_minor, one.buy_minor)
    assert read(one).used_by == conversion
    with pytest.raises(QuoteUsed) as refused:
        services.take_quote(one.pk, caller=CALLER, transaction=uuid7())
    assert refused.value.facts["transaction_id"] == str(conversion)


def test_to_the_last_moment_and_not_after(market: None) -> None:
    found = read(ask())

    assert services.verify_quote(found, caller=CALLER, at=found.expires_at) == found
    with pytest.raises(QuoteExpired):
        services.verify_quote(found, caller=CALLER, at=found.expires_at + timedelta(microseconds=1))


def test_somebody_elses_is_as_missing_as_none(market: None) -> None:
    found = read(ask())
    for one, caller in ((found, "customer:other"), (None, CALLER)):
        with pytest.raises(QuoteNotFound):
            services.verify_quote(one, caller=caller, at=now())
    with pytest.raises(QuoteNotFound):
        services.take_quote(UUID(int=7), caller=CALLER, transaction=uuid7())


def test_for_something_else_it_is_no_good(market: None) -> None:
    found = read(ask())
    for other in ({"sell": "USD"}, {"buy": "NGN"}, {"sell_minor": 1}):
        with pytest.raises(QuoteMismatch):
            services.verify_quote(found, caller=CALLER, at=now(), **other)


def test_of_ten_at_once_one_takes_it(transactional_db: None, market: None) -> None:
    one, answers = ask(), []

    def take() -> None:
        try:
            with transaction.atomic():
                answers.append(services.take_quote(one.pk, caller=CALLER, transaction=uuid7()))
        except QuoteUsed as exc:
            answers.append(exc)

    at_once([take] * 10)

    assert [isinstance(answer, QuoteUsed) for answer in answers].count(False) == 1
    assert QuoteUse.objects.count() == 1


def test_postgresql_refuses_a_late_use_whatever_was_verified(market: None, settings: Any) -> None:
    one = ask()
    with pytest.raises(QuoteExpired), transaction.atomic():
        services.use_quotes([Taken(one.pk, uuid7(), one.expires_at + timedelta(milliseconds=1))])
    with pytest.raises(DatabaseError, match="is used now"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fx_quoteuse (quote_id, transaction, at) SELECT %s, %s, %s",
            [old_quote(one), uuid7(), one.created_at - timedelta(days=1)],
        )
    with pytest.raises(QuoteUsed), transaction.atomic():
        services.use_quotes([Taken(one.pk, uuid7(), one.created_at), Taken(one.pk, uuid7(), one.created_at)])
    with pytest.raises(IntegrityError, match="a quote that is used is there"), transaction.atomic():
        services.use_quotes([Taken(one.pk, uuid7(), one.created_at), Taken(uuid7(), uuid7(), one.created_at)])
    assert not QuoteUse.objects.exists()


def old_quote(like: Quote) -> UUID:
    """A quote of yesterday, as nobody would use it today."""
    decision = RoutingDecision.objects.get(pk=like.decision_id)
    decision.pk = uuid7()
    decision.save(force_insert=True)
    day = timedelta(days=1)
    fields = {field.attname: getattr(like, field.attname) for field in Quote._meta.concrete_fields}
    fields |= {"id": uuid7(), "decision_id": decision.pk, "created_at": like.created_at - day,
               "expires_at": like.expires_at - day}  # fmt: skip
    return Quote.objects.create(**fields).pk


def test_many_are_read_and_used_in_as_many_statements_as_one(market: None, statements: list[str]) -> None:
    ones = [ask() for _ in range(5)]
    statements.clear()

    found = selectors.read_quotes([one.pk for one in ones])
    services.use_quotes([Taken(one.pk, uuid7(), one.created_at) for one in ones])

    assert len(found) == 5 and len([said for said in statements if "fx_" in said]) == 2


def test_a_quote_takes_as_many_statements_whatever_its_route(market: None, statements: list[str]) -> None:
    ask()
    counts = []
    for buy in ("USD", "NGN"):  # one trade, two trades
        statements.clear()
        ask(buy=buy)
        counts.append(len([said for said in statements if "SAVEPOINT" not in said]))

    assert counts == [2, 2], "the time and what is gone; decision, trades and quote together"


# --- What of a provider's day is gone ---------------------------------------------------------------------------------

GONE = """
SELECT l.sell, l.buy, sum(l.sell_minor)::bigint
FROM fx_routeleg l JOIN fx_quote q ON q.decision_id = l.decision_id LEFT JOIN fx_quoteuse u ON u.quote_id = q.id
WHERE l.provider_id = %s AND (u.quote_id IS NOT NULL OR q.expires_at >= %s) AND q.created_at::date = %s GROUP BY 1, 2
"""


def gone(at: datetime) -> dict[tuple[str, str], int]:
    """As counted, which is what adding up all trades of the day gives."""
    pk = Provider.objects.get(code="wekeza").pk
    with connection.cursor() as cursor:
        cursor.execute(GONE, [pk, at, at.date()])
        added_up = {(sell, buy): total for sell, buy, total in cursor.fetchall()}
    _, counted = selectors.used_today([pk], at)
    assert counted == {selectors.use_key(pk, *pair): total for pair, total in added_up.items()}
    return added_up


def expired(like: Quote, ago: timedelta) -> UUID:
    """The same quote, as if it had expired so long ago."""
    pk, decision = uuid7(), uuid7()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH d AS (INSERT INTO fx_routingdecision
                       SELECT (json_populate_record(d, json_build_object('id', %(decision)s))).*
                       FROM fx_routingdecision d WHERE id = %(like)s),
                 l AS (INSERT INTO fx_routeleg
                       SELECT (json_populate_record(l, json_build_object('id', %(leg)s, 'decision_id', %(decision)s))).*
                       FROM fx_routeleg l WHERE decision_id = %(like)s)
            INSERT INTO fx_quote SELECT (json_populate_record(q, json_build_object(
                'id', %(pk)s, 'decision_id', %(decision)s, 'created_at', now() - %(ago)s - interval '1 minute',
                'expires_at', now() - %(ago)s))).* FROM fx_quote q WHERE decision_id = %(like)s
            """,
            {"pk": str(pk), "decision": str(decision), "leg": str(uuid7()), "like": like.decision_id, "ago": ago},
        )
    return pk


def test_what_is_gone_of_a_day_is_what_was_used_and_what_is_open(market: None) -> None:
    used, late = ask(), expired(ask(sell_minor=1_000_00), timedelta(seconds=2))
    services.take_quote(used.pk, caller=CALLER, transaction=uuid7())
    expired(used, timedelta(minutes=3))

    assert gone(now()) == {("KES", "USD"): 14_000_00}
    assert gone(used.expires_at) == {("KES", "USD"): 14_000_00}, "that moment included"
    assert gone(used.expires_at + timedelta(microseconds=1)) == {("KES", "USD"): 13_000_00}

    assert not ProviderUse.objects.filter(expires_at__lt=now()).exists(), "nobody used those"
    with connection.cursor() as cursor:  # it was decided in time, and is through only now
        cursor.execute(
            "INSERT INTO fx_quoteuse (quote_id, transaction, at) SELECT id, %s, expires_at FROM fx_quote WHERE id = %s",
            [uuid7(), late],
        )
    assert gone(now()) == {("KES", "USD"): 15_000_00}
    expired(used, timedelta(seconds=1))  # the first of its moment tidies up
    assert [(one.used, one.promised) for one in ProviderUse.objects.filter(expires_at__lt=now())] == [(1_000_00, 0)]
    assert gone(used.expires_at + timedelta(seconds=1)) == {("KES", "USD"): 14_000_00}
    assert not miscounted()


def miscounted() -> list[str]:
    """What the proof says of it."""
    return [one.wrong for one in verify().findings if one.name.startswith("provider wekeza, KES to USD")]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("UPDATE fx_provideruse SET used = 0", "as used and 1400000 as promised; its trades come to 1300000"),
        ("UPDATE fx_provideruse SET promised = promised - 1", "1399999 as promised"),
        ("DELETE FROM fx_provideruse", "has counted 0 as used and 0 as promised"),
        ("UPDATE fx_provideruse SET day = day - 1", "its trades come to 0 and 0"),
    ],
)
def test_the_proof_adds_up_what_was_counted(transactional_db: None, market: None, spoilt: str, said: str) -> None:
    services.take_quote(ask().pk, caller=CALLER, transaction=uuid7())
    ask(sell_minor=1_000_00)
    assert not miscounted()

    with connected_as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE fx_provideruse DISABLE TRIGGER USER")
        cursor.execute(spoilt)
        found = miscounted()
        transaction.set_rollback(True)

    assert any(said in one for one in found), found


def test_nobody_writes_what_is_counted(market: None) -> None:
    ask()
    for statement in (
        "UPDATE fx_provideruse SET promised = 0", "DELETE FROM fx_provideruse",
        "INSERT INTO fx_provideruse (provider_id, sell, buy, day, expires_at, promised, used)"
        " SELECT provider_id, sell, buy, day - 1, expires_at, 0, 0 FROM fx_provideruse",
    ):  # fmt: skip
        with pytest.raises(DatabaseError, match="is counted"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_margin_row_is_there_from_the_beginning(db: None) -> None:
    assert [(one.bps, one.sell, one.buy) for one in Margin.objects.all()] == [(50, "", "")]
