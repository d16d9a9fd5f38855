"""The first page: figures that are right, per currency, in a number of statements that does not grow."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from core.admin.pages import list_url
from ledger.services import keep_proof
from ledger.verify import Finding
from reports.dashboard import age, share
from tests.admin.conftest import World, odd_message
from tests.books import fund, transfer
from tests.factories import new_wallet
from tests.holding import capture, held
from transactions.admin.refusals import explain
from transactions.models import Transaction
from transactions.posting import post_one
from transactions.proving import prove

Count = Callable[[Client, str], int]
HOME = "/admin/"


def panels(client: Client, query: str = "") -> dict[str, Any]:
    context = client.get(HOME + query).context
    return {panel.title: panel for panel in [*context["urgent_panels"], *context["panels"], *context["side_panels"]]}


def cells(panel: Any, first: str) -> list[str]:
    return [str(cell) for cell in next(row for row in panel.rows if str(row[0]) == first)]


def test_volume_is_per_currency_and_leaves_reversals_and_refusals_out(finance: Client, world: World) -> None:
    rwandan = new_wallet(country_id="RW", phone_number="+250788123456")
    fund(rwandan, 5_000)

    volume = panels(finance)["Volume"]

    kes, rwf = cells(volume, "KES"), cells(volume, "RWF")
    assert "11,510.00" in kes[1]  # 10,005 in, 1,505 sent and paid; neither the reversal nor the refusal
    assert "5 moved" in kes[1]
    assert "1" in kes[4]
    assert "16.7 %" in kes[4]
    assert ">1<" in kes[5] and "reversed=is" in kes[5]
    assert "5,000" in rwf[1]
    assert "." not in rwf[1].partition("</span> ")[2].partition("<")[0]


def test_what_is_promised_and_then_captured_is_counted_once(finance: Client, world: World) -> None:
    before = cells(panels(finance)["Volume"], "KES")[1]
    shop = new_wallet()
    fund(world.wallet, 70_00)

    hold = held(world.wallet, shop, 70_00)
    post_one(capture(hold)).or_raise()

    assert Transaction.objects.get(pk=hold).state == "completed"
    assert ("11,510.00" in before, "5 moved" in before) == (True, True)
    after = cells(panels(finance)["Volume"], "KES")[1]
    assert ("11,650.00" in after, "7 moved" in after) == (True, True), after  # what came in, and the payment


def test_refusals_are_counted_by_code_and_lead_to_their_list(support: Client, world: World) -> None:
    refused = panels(support)["Refused"]
    code = world.refused.refusal_code

    assert f"refusal={code}" in str(refused.rows[0][0])
    assert explain(code).title in str(refused.rows[0][0])
    assert refused.rows[0][1:] == ("1", "1")


def test_what_waits_is_shown_with_its_age_oldest_first(support: Client, world: World) -> None:
    ids = [world.through_a_rail("top_up", 50_00).pk for _ in range(3)]
    Transaction.objects.filter(pk=ids[1]).update(quarantined_at=world.sent.created_at)

    waiting = panels(support)["Under way: 3 pending; 1 given up by the worker"]

    assert [str(pk) in str(row[2]) for pk, row in zip(ids, waiting.rows, strict=True)] == [True] * 3
    assert "Given up" in str(waiting.rows[1][3])


def test_a_hold_that_is_open_waits_for_no_bank(support: Client, world: World) -> None:
    open_for_days, given_up = world.promised(60_00), world.promised(10_00)
    Transaction.objects.filter(pk=given_up.pk).update(quarantined_at=world.sent.created_at)

    waiting = panels(support)["Under way: 1 pending; 1 given up by the worker"]

    assert str(given_up.pk) in str(waiting.rows[0][2]) and len(waiting.rows) == 1
    listed = support.get(list_url("transactions.transaction", state="open")).text
    assert str(given_up.pk) in listed and str(open_for_days.pk) not in listed


def test_what_only_a_person_can_decide_is_counted_with_the_age_of_the_oldest_and_leads_to_its_list(
    support: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = now() - timedelta(hours=3)
    with monkeypatch.context() as then:
        then.setattr("django.utils.timezone.now", lambda: before)
        odd_message("msg_2")
    waiting = [world.through_a_rail("top_up", 50_00) for _ in range(2)]
    Transaction.objects.filter(pk=waiting[1].pk).update(quarantined_at=now())

    given_up, messages = panels(support)["Needs a person"].rows

    assert (given_up[1], messages[1]) == ("1", "2")
    assert "3 h" in str(messages[2])
    for row, found in ((messages, {world.odd.pk}), (given_up, {waiting[1].pk})):
        url = str(row[0]).split('"')[3]
        assert found <= {one.pk for one in support.get(url).context["cl"].result_list}, url
    assert len(support.get(str(given_up[0]).split('"')[3]).context["cl"].result_list) == 1


def test_what_waits_for_ones_decision_is_counted_first(checker: Client, world: World) -> None:
    approvals, *_ = panels(checker)["Needs a person"].rows

    assert approvals[1] == "1"
    listed = checker.get(str(approvals[0]).split('"')[3]).context["cl"].result_list
    assert list(listed) == [world.asked]


def test_books_and_cover_are_for_who_may_see_the_books(finance: Client, support: Client, world: World) -> None:
    mine, theirs = panels(finance), panels(support)

    assert "Balanced" in str(cells(mine["Books"], "KES"))
    cover = cells(mine["E-money issued and what covers it"], "KES")
    assert "10,005.00" in cover[1]
    assert "10,005.00" in cover[3]
    assert "Covered" in cover[5]
    assert not {"Books", "E-money issued and what covers it"} & set(theirs)


def test_before_the_first_proof_the_page_says_so(finance: Client) -> None:
    assert "Not proven yet" in finance.get(HOME).text


def test_the_last_proof_of_the_books_is_shown_with_what_it_found(
    finance: Client, support: Client, world: World
) -> None:
    prove()
    assert "Proven" in finance.get(HOME).text
    late = now() - timedelta(days=2)
    keep_proof(at=late, findings=[], counts={"ledger_entry": 1}, milliseconds=1)
    assert ">Old<" in finance.get(HOME).text
    keep_proof(at=now(), findings=[Finding("I3", "<b>x</b>", "says 5")], counts={"ledger_entry": 1_234}, milliseconds=1)
    text = finance.get(HOME).text

    for shown in ("Broken", "I3", "&lt;b&gt;x", "says 5", "1,234 rows read"):
        assert shown in text, shown
    assert "Proof of the books" not in support.get(HOME).text


def test_charts_show_one_currency_at_a_time(finance: Client, world: World) -> None:
    fund(new_wallet(country_id="RW", phone_number="+250788123456"), 5_000)

    first, rwf, nonsense = (
        panels(finance, query)["Day by day"].context for query in ("", "?currency=RWF", "?currency=<x>")
    )

    assert first["chosen"] == nonsense["chosen"] == "KES"
    assert json.loads(first["volume"])["datasets"][0]["data"][-1] == "11510.00"
    assert json.loads(rwf["volume"])["datasets"][0]["data"][-1] == "5000"
    assert len(json.loads(first["volume"])["labels"]) == 30
    assert [one["data"][-1] for one in json.loads(first["counts"])["datasets"]] == [5, 1]


def test_segments_count_customers(support: Client, world: World) -> None:
    new_wallet(account_type="ngo")

    segments = panels(support)["Customers by segment"]

    assert [list(map(str, row)) for row in segments.rows] == [["Individual", "4", "4", "0"], ["NGO", "1", "1", "0"]]


def test_the_dashboard_takes_as_many_statements_for_much_as_for_little(
    finance: Client, world: World, count: Count
) -> None:
    few = count(finance, HOME)

    for currency in ("EUR", "USD", "GBP"):
        wallet = new_wallet(currency=currency)
        fund(wallet, 1_00)
        post_one(transfer(wallet, world.wallet, 90_00))

    assert count(finance, HOME) == few


def test_an_empty_platform_has_a_dashboard_too(finance: Client) -> None:
    text = finance.get(HOME).text

    for said in (
        "Nothing has moved",
        "Nothing is waiting",
        "Nothing waits for a decision",
        "No customers yet",
        "Nothing was refused",
        "Nothing to draw",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("part", "whole", "said"), [(0, 0, "0.0 %"), (1, 3, "33.3 %"), (2, 3, "66.7 %"), (1, 1, "100.0 %")]
)
def test_a_share_is_counted_in_whole_numbers(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


def test_ages_are_short() -> None:
    said = [age(timedelta(seconds=s)) for s in (-5, 59, 60, 7_200, 200_000)]

    assert said == ["0 s", "59 s", "1 min", "2 h", "2 d"]
