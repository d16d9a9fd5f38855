"""The chart of accounts: codes, what they mean, and the page written from it."""

import pytest
from django.core.management import CommandError, call_command

from core.money import EXPONENTS
from ledger import chart
from ledger.chart import CREDIT, DEBIT


@pytest.mark.parametrize(
    ("code", "name", "side", "floor"),
    [
        (chart.wallet_account("01920000-0000-7000-8000-000000000001"), "Wallet", CREDIT, 0),
        (chart.suspense("RWF"), "Suspense", CREDIT, 0),
        (chart.rail_float("sandbox", "KES"), "Money at a rail", DEBIT, None),
        (chart.fee_income("cash_out", "KES"), "Fees", CREDIT, None),
    ],
)
def test_each_code_belongs_to_a_type_of_the_chart(code, name, side, floor):
    found = chart.type_of(code)
    assert (found.name, found.normal_side, found.floor) == (name, side, floor)


@pytest.mark.parametrize(
    "code",
    [
        "", "liability", "liability:wallet:", "liability:wallet:a:b", "equity:capital:RWF", "asset:rail:sandbox",
        " asset:rail:sandbox:RWF", "asset:rail:sandbox:RWF ", "xasset:rail:sandbox:RWF", "asset:rail::RWF",
    ],
)  # fmt: skip
def test_other_codes_are_in_no_chart(code):
    with pytest.raises(LookupError, match="not in the chart"):
        chart.type_of(code)


def test_an_account_of_the_house_ends_in_its_currency():
    assert [chart.currency_of(chart.suspense(currency)) for currency in EXPONENTS] == list(EXPONENTS)
    with pytest.raises(LookupError, match="does not end in a currency"):
        chart.currency_of("liability:suspense:XXX")


def test_the_page_says_what_the_chart_says():
    call_command("chart_of_accounts", "--check")


def test_a_page_that_drifted_is_noticed_and_written_anew(tmp_path, capsys):
    page = tmp_path / "chart.md"
    with pytest.raises(CommandError, match="is not what the chart says"):
        call_command("chart_of_accounts", "--check", output=page)
    call_command("chart_of_accounts", output=page)
    call_command("chart_of_accounts", "--check", output=page)
    page.write_text(page.read_text().replace("credit", "debit", 1))
    with pytest.raises(CommandError):
        call_command("chart_of_accounts", "--check", output=page)
