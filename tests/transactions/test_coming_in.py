"""What is on its way into a wallet counts against what it may hold, and a top-up against its limit per movement."""

import pytest

from ledger.selectors import balance_at
from tests.books import assert_books_balance, fund, key, transfer
from transactions.models import Kind, State
from transactions.movements import Movement
from transactions.posting import post, post_one
from transactions.services.settling import settle
from wallets.parties import Address

pytestmark = pytest.mark.django_db
# Tier 2 in Rwanda: 5,000,000 a movement, 10,000,000 in the wallet.
MOST, FULL = 5_000_000, 10_000_000


def top_up(wallet, amount, **extra):
    return Movement(
        kind=Kind.TOP_UP, amount=amount, currency="RWF", caller=f"customer:{wallet.customer_id}", key=key(),
        payee=Address("wallet", str(wallet.pk)), owner=wallet.customer_id, rail="sandbox", **extra,
    )  # fmt: skip


def test_top_ups_under_way_fill_the_wallet(aline):
    one_by_one = [post_one(top_up(aline, MOST)), post_one(top_up(aline, MOST)), post_one(top_up(aline, 1))]

    assert [o.error and o.error.code for o in one_by_one] == [None, None, "balance_limit_exceeded"]
    assert one_by_one[2].error.facts["left"] == "0"
    settle(one_by_one[0].transaction, to=State.COMPLETED, actor="system")
    assert post_one(top_up(aline, 1)).error.code == "balance_limit_exceeded"
    settle(one_by_one[1].transaction, to=State.FAILED, actor="system", refusal_code="rail_refused")
    assert post_one(top_up(aline, 1)).error is None
    assert_books_balance()


def test_also_within_one_batch(aline):
    outcomes = post([top_up(aline, MOST) for _ in range(4)])

    assert [o.error and o.error.code for o in outcomes] == [None, None, *["balance_limit_exceeded"] * 2]


def test_a_transfer_does_not_fit_beside_a_top_up_under_way(aline, eric):
    fund(aline, 1_000)
    fund(eric, MOST)
    post_one(top_up(eric, MOST)).or_raise()

    refused = post_one(transfer(aline, eric, 1_000))

    assert refused.error.code == "balance_limit_exceeded"
    assert "left" not in refused.error.facts
    assert balance_at(eric.account_id).posted == MOST


def test_a_top_up_has_a_limit_per_movement_and_what_a_partner_moved_has_not(aline):
    refused = post_one(top_up(aline, MOST + 1))

    assert (refused.error.code, refused.error.facts["period"]) == ("limit_exceeded", "movement")
    assert post_one(top_up(aline, MOST + 1, settled=True)).error is None
