"""What may refuse a movement: each policy over plain facts. No database."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from customers.errors import CustomerSuspended, SessionEnded
from ledger.books import Held
from ledger.chart import wallet_account
from transactions import policies
from transactions.errors import (
    BalanceLimitExceeded,
    CurrencyMismatch,
    LimitExceeded,
    LimitsNotSet,
    RecipientUnavailable,
)
from transactions.models import Kind
from transactions.movements import Movement
from transactions.policies import Case, Standing, Used
from transactions.tariff import Tariff
from wallets.errors import WalletClosed, WalletFrozen
from wallets.parties import Address, Party

TODAY = date(2026, 3, 15)


STANDINGS: dict[UUID, Standing] = {}


def party(currency="RWF", is_active=True, tier=1) -> Party:
    """A wallet of somebody who stands like this."""
    wallet, customer = uuid4(), uuid4()
    STANDINGS[customer] = Standing(is_active, tier)
    known = {"wallet": wallet, "customer": customer, "currency": currency, "country": "RW"}
    known["account"] = wallet_account(wallet)
    return Party(**{name: known.get(name, "") for name in Party._fields})


def account(of: Party, posted=0, debits_frozen=False, credits_frozen=False, closed=False) -> Held:
    return Held(1, of.account, of.currency, -1, posted, 0, 0, 0, 0, 0, debits_frozen, credits_frozen, closed)


def limits(*rows, country="RW", currency="RWF", tier=1, since=date(2026, 1, 1)) -> Tariff:
    """Per movement, day, month, balance."""
    return Tariff([], [(country, currency, tier, *row, since) for row in rows], [("RW", "Africa/Kigali")])


UNLIMITED = limits((None, None, None, None))


def case(payer, payee, amount=100, currency="RWF", accounts=(), used=None, tariff=UNLIMITED, **fields) -> Case:
    movement = Movement(
        kind=Kind.TRANSFER, amount=amount, currency=currency, caller="customer:1", key="k" * 16,
        payer=payer and Address("wallet", str(payer.wallet)), payee=payee and Address("wallet", str(payee.wallet)),
        **fields,
    )  # fmt: skip
    held = {one.account: account(one) for one in (payer, payee) if one} | {one.code: one for one in accounts}
    counted = {side.wallet: Used(TODAY, 0, 0) for side in (payer, payee) if side}
    if payer and used:
        counted[payer.wallet] = used
    return Case(movement, payer, payee, held, STANDINGS, {}, counted, tariff, TODAY)


# --- in order ------------------------------------------------------------------------------------------------------
def test_they_are_asked_in_the_order_of_the_settings_and_the_first_refusal_ends_it(settings):
    names = [path.rpartition(".")[2] for path in settings.MOVEMENT_POLICIES]
    assert sorted(names) == ["customers_are_active", "session_is_live", "wallets_are_usable", "within_limits"]
    assert [name for name, _ in policies.policies()] == names
    payer, payee = party(), party()
    facts: dict[str, object] = {}
    policies.ask(case(payer, payee), facts)
    assert list(facts) == names
    assert [facts[name] for name in ("session_is_live", "customers_are_active", "wallets_are_usable")] == [
        "none", "ok", "ok",
    ]  # fmt: skip
    suspended = party(is_active=False)
    facts.clear()
    with pytest.raises(CustomerSuspended):  # and not CurrencyMismatch
        policies.ask(case(suspended, payee, currency="KES"), facts)
    assert facts["customers_are_active"] == "refused"
    assert "wallets_are_usable" not in facts


# --- sessions ------------------------------------------------------------------------------------------------------
def test_only_a_live_session_of_the_owner_moves_money():
    mine, session = party(), uuid4()
    asked = case(mine, party(), session=session, owner=mine.customer)
    assert policies.session_is_live(replace(asked, live_sessions={session: mine.customer})) == "ok"
    for live in ({}, {session: uuid4()}, {uuid4(): mine.customer}):
        with pytest.raises(SessionEnded):
            policies.session_is_live(replace(asked, live_sessions=live))
    assert policies.session_is_live(case(mine, party())) == "none"


# --- customers -----------------------------------------------------------------------------------------------------
def test_a_suspended_customer_moves_nothing_and_receives_nothing():
    active, suspended = party(), party(is_active=False)
    assert policies.customers_are_active(case(active, party())) == "ok"
    with pytest.raises(CustomerSuspended):
        policies.customers_are_active(case(suspended, active))
    with pytest.raises(RecipientUnavailable):
        policies.customers_are_active(case(active, suspended))
    with pytest.raises(CustomerSuspended):  # a top-up of one's own
        policies.customers_are_active(case(None, suspended))
    assert policies.customers_are_active(case(active, None)) == "ok"


# --- wallets -------------------------------------------------------------------------------------------------------
def test_an_open_wallet_of_the_currency_is_usable():
    assert policies.wallets_are_usable(case(party(), party())) == "ok"
    assert policies.wallets_are_usable(case(None, party())) == "ok"
    assert policies.wallets_are_usable(case(party(), None)) == "ok"


def test_another_currency_is_refused():
    with pytest.raises(CurrencyMismatch) as mine:
        policies.wallets_are_usable(case(party(), party(), currency="KES"))
    assert mine.value.facts == {"wallet_currency": "RWF"}
    assert mine.value.detail == "This wallet holds RWF."
    with pytest.raises(CurrencyMismatch) as theirs:
        policies.wallets_are_usable(case(party(), party("KES")))
    assert theirs.value.facts == {}  # what others hold is theirs
    assert theirs.value.detail == "The recipient's wallet is in another currency."


@pytest.mark.parametrize(
    ("state", "sending", "receiving", "topped_up"),
    [
        ({"debits_frozen": True}, WalletFrozen, None, None),
        ({"credits_frozen": True}, None, RecipientUnavailable, WalletFrozen),
        ({"closed": True}, WalletClosed, RecipientUnavailable, WalletClosed),
        ({"closed": True, "debits_frozen": True}, WalletClosed, RecipientUnavailable, WalletClosed),
        ({"closed": True, "credits_frozen": True}, WalletClosed, RecipientUnavailable, WalletClosed),
    ],
)
def test_a_frozen_or_closed_wallet_is_not_usable_on_that_side(state, sending, receiving, topped_up):
    this, other = party(), party()
    for asked, refusal in [
        (case(this, other, accounts=[account(this, **state)]), sending),
        (case(other, this, accounts=[account(this, **state)]), receiving),
        (case(None, this, accounts=[account(this, **state)]), topped_up),
    ]:
        if refusal is None:
            assert policies.wallets_are_usable(asked) == "ok"
        else:
            with pytest.raises(refusal):
                policies.wallets_are_usable(asked)


# --- limits --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "period", "limit", "left"),
    [
        ((99, None, None, None), "movement", "99", "99"),
        ((None, 149, None, None), "day", "149", "99"),
        ((None, None, 199, None), "month", "199", "99"),
        ((None, 40, None, None), "day", "40", "0"),
        ((99, 99, 99, None), "movement", "99", "99"),
        ((None, 99, 99, None), "day", "99", "49"),
    ],
)
def test_what_is_above_a_limit_is_refused_with_what_is_left(row, period, limit, left):
    used = Used(TODAY, 50, 100)
    with pytest.raises(LimitExceeded) as refused:
        policies.within_limits(case(party(), party(), 100, used=used, tariff=limits(row)))
    assert refused.value.facts == {"period": period, "limit": limit, "left": left}
    assert refused.value.detail == f"Your limit per {period} is RWF {limit}; RWF {left} is left."


def test_what_reaches_a_limit_exactly_is_allowed_and_the_figures_are_kept():
    row = (100, 150, 200, 1_000)
    payer, payee = party(), party()
    facts = policies.within_limits(
        case(payer, payee, 100, used=Used(TODAY, 50, 100), accounts=[account(payee, posted=900)], tariff=limits(row))
    )
    assert facts == {
        "payer": {"tier": 1, "movement": [100, 100], "day": [150, 150], "month": [200, 200]},
        "payee": {"tier": 1, "balance": [1_000, 1_000]},
    }


def test_without_a_limit_there_is_none_left_to_exceed():
    facts = policies.within_limits(case(party(), party(), 10**15, used=Used(TODAY, 10**15, 10**15)))
    assert facts["payer"]["movement"] == [10**15, None]
    assert facts["payee"]["balance"] == [10**15, None]


def test_a_wallet_does_not_hold_more_than_its_tier_may():
    payer, payee = party(), party()
    with pytest.raises(BalanceLimitExceeded):
        policies.within_limits(
            case(payer, payee, 100, accounts=[account(payee, posted=901)], tariff=limits((None, None, None, 1_000)))
        )
    with pytest.raises(BalanceLimitExceeded):
        policies.within_limits(
            case(None, payee, 100, accounts=[account(payee, posted=901)], tariff=limits((None, None, None, 1_000)))
        )


def bringing(payee, amount, *, posted=0, coming=0, row=(None, None, None, 1_000), **fields) -> Case:
    """Money that comes from outside."""
    asked = case(None, payee, amount, accounts=[account(payee, posted)], tariff=limits(row), **fields)
    asked.used[payee.wallet].coming = coming
    return asked


@pytest.mark.parametrize(
    ("posted", "coming", "left"), [(901, 0, "99"), (500, 401, "99"), (0, 901, "99"), (2_000, 0, "0")]
)
def test_what_is_on_its_way_in_counts_and_the_owner_is_told_what_is_left(posted, coming, left):
    payee = party()
    with pytest.raises(BalanceLimitExceeded) as refused:
        policies.within_limits(bringing(payee, 100, posted=posted, coming=coming))
    assert refused.value.facts == {"left": left}
    if left != "0":
        facts = policies.within_limits(bringing(payee, 99, posted=posted, coming=coming))
        assert facts == {"payee": {"tier": 1, "balance": [1_000, 1_000]}}


def test_what_somebody_elses_wallet_may_still_hold_is_nobodys_business():
    payer, payee = party(), party()
    with pytest.raises(BalanceLimitExceeded) as refused:
        policies.within_limits(
            case(payer, payee, 100, accounts=[account(payee, posted=901)], tariff=limits((None, None, None, 1_000)))
        )
    assert refused.value.facts == {}


def test_what_a_customer_brings_in_has_a_limit_per_movement_and_what_a_partner_moved_has_none():
    payee, row = party(), (50, None, None, None)
    policies.within_limits(bringing(payee, 50, row=row))
    with pytest.raises(LimitExceeded) as refused:
        policies.within_limits(bringing(payee, 51, row=row))
    assert refused.value.facts == {"period": "movement", "limit": "50", "left": "50"}
    policies.within_limits(bringing(payee, 51, row=row, settled=True))


def test_without_a_row_nothing_moves():
    nothing = Tariff([], [], [("RW", "Africa/Kigali")])
    of_another_tier = limits((None, None, None, None), tier=0)
    for tariff in (nothing, of_another_tier):
        for asked in (case(party(), None, tariff=tariff), case(None, party(), tariff=tariff)):
            with pytest.raises(LimitsNotSet):
                policies.within_limits(asked)


def test_the_payers_limits_are_his_own_and_the_payees_hers():
    rows = [
        ("RW", "RWF", 1, 50, None, None, None, date(2026, 1, 1)),
        ("RW", "RWF", 2, 500, None, None, 10, date(2026, 1, 1)),
    ]
    tariff = Tariff([], rows, [("RW", "Africa/Kigali")])
    with pytest.raises(LimitExceeded):
        policies.within_limits(case(party(tier=1), None, 100, tariff=tariff))
    policies.within_limits(case(party(tier=2), None, 100, tariff=tariff))
    policies.within_limits(case(party(tier=2), party(tier=1), 100, tariff=tariff))
    with pytest.raises(BalanceLimitExceeded):
        policies.within_limits(case(None, party(tier=2), 100, tariff=tariff))


# --- which row -----------------------------------------------------------------------------------------------------
def test_the_newest_row_in_force_counts_and_the_countrys_own_goes_first():
    def row(country, per_movement, since):
        return (country, "RWF", 1, per_movement, None, None, None, since)

    tariff = Tariff(
        [],
        [
            row("RW", 4, date(2026, 6, 1)), row("RW", 3, date(2026, 3, 15)), row("RW", 2, date(2026, 2, 1)),
            row(None, 1, date(2026, 1, 1)),
        ],
        [],
    )  # fmt: skip

    def allowed(day, country="RW"):
        found = tariff.limits(country, "RWF", 1, day)
        return found and found.per_movement

    assert allowed(date(2025, 12, 31)) is None
    assert allowed(date(2026, 1, 1)) == 1  # before its own first row: everybody's
    assert allowed(date(2026, 2, 1)) == allowed(date(2026, 3, 14)) == 2
    assert allowed(date(2026, 3, 15)) == allowed(date(2026, 5, 31)) == 3
    assert allowed(date(2026, 6, 1)) == 4
    assert allowed(date(2026, 6, 1), "KE") == 1
    assert tariff.limits("RW", "KES", 1, TODAY) is None


def test_a_day_is_that_of_the_country():
    tariff = Tariff([], [], [("KE", "Africa/Nairobi"), ("NG", "Africa/Lagos"), ("GH", "Africa/Accra")])
    late = datetime(2026, 3, 14, 22, 30, tzinfo=UTC)
    assert [tariff.day(country, late) for country in ("KE", "NG", "GH")] == [
        date(2026, 3, 15), date(2026, 3, 14), date(2026, 3, 14),
    ]  # fmt: skip
