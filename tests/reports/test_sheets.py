"""The trial balance as a file, and where figures of summaries lead."""

import csv
from datetime import date, timedelta
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from core.money import Money
from reports import proofs
from reports.models import SummedDay
from reports.sheets import AMOUNTS, COLUMNS
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of
from tests.reports.conftest import World

pytestmark = pytest.mark.django_db
PAGE = "/admin/finance/trial-balance/"


def sheet(client: Client, **query: str) -> bytes:
    answer = client.get(reverse("admin:reports_trial_balance_file"), query)
    assert answer.status_code == 200
    return bytes(answer.content)


def test_the_file_has_what_the_page_shows_and_both_sides_agree(finance: Client, world: World) -> None:
    rows = list(csv.DictReader(StringIO(sheet(finance, format="csv").decode())))

    assert set(rows[0]) == set(COLUMNS)
    kes = [row for row in rows if row["currency"] == "KES"]
    assert {row["account"] for row in kes} >= {"liability:wallet", "asset:rail:sandbox:KES"}
    for debit, credit in zip(AMOUNTS[::2], AMOUNTS[1::2], strict=True):
        assert sum(int(row[f"{debit}_minor"]) for row in kes) == sum(int(row[f"{credit}_minor"]) for row in kes)
    for row in rows:
        for name in AMOUNTS:
            assert Money.parse(row[name], row["currency"]).amount_minor == int(row[f"{name}_minor"])
    page = finance.get(PAGE).content.decode()
    wallets = next(row for row in kes if row["account"] == "liability:wallet")
    assert f"{int(wallets['closing_credit_minor']) // 100:,}" in page


def test_the_same_question_about_the_past_gives_the_same_file(finance: Client, world: World) -> None:
    past = {"start": "2026-01-01T00:00:00", "end": "2026-02-01T00:00:00", "format": "csv"}

    assert sheet(finance, **past) == sheet(finance, **past)


def test_the_workbook_has_lines_and_control_totals(finance: Client, world: World) -> None:
    with ZipFile(BytesIO(sheet(finance, format="xlsx"))) as book:
        text = book.read("xl/sharedStrings.xml").decode()
        sheets = book.read("xl/workbook.xml").decode()

    assert "Trial balance" in sheets and "Control totals" in sheets
    assert "liability:wallet" in text and "it was recorded" in text and ">yes<" in text and ">NO<" not in text


def test_taking_it_is_on_record_and_not_for_everybody(finance: Client, world: World, staff: dict[str, User]) -> None:
    sheet(finance, format="csv")

    look = AuditRecord.objects.filter(subject_type="page.reports_trial_balance_file").get()
    assert (look.actor, look.after) == (staff[Role.FINANCE].principal, {"format": "csv"})
    for role in (Role.SUPPORT, Role.AUDITOR):
        client = client_of(staff[role])
        assert client.get(reverse("admin:reports_trial_balance_file"), {"format": "csv"}).status_code == 403
    assert "format=csv" in finance.get(PAGE).content.decode()
    assert "format=csv" not in client_of(staff[Role.AUDITOR]).get(PAGE).content.decode()


@pytest.mark.parametrize("query", [{"format": "exe"}, {"format": "csv", "start": "x"}, {"end": "2999-01-01T00:00:00"}])
def test_nonsense_leads_back_to_the_page(finance: Client, world: World, query: dict[str, str]) -> None:
    answer = finance.get(reverse("admin:reports_trial_balance_file"), query)

    assert answer.status_code == 302 and answer["Location"].startswith(PAGE)


def test_figures_lead_to_what_they_are_the_sum_of(finance: Client, world: World) -> None:
    page, now, board = (
        finance.get(url).content.decode() for url in (PAGE, reverse("admin:reports_books_now"), "/admin/")
    )
    assert page.count('class="figure"') > 3
    for shown in (now, board):
        accounts = f"{reverse('admin:reports_accounts')}?"
        assert accounts in shown and "line=liability%3Awallet&amp;currency=KES" in shown
        assert f"{PAGE}?" in shown and "#KES" in shown
    assert "state=failed" in board and "reversed=is" in board

    for url in (f"{reverse('admin:reports_accounts')}?line=liability:wallet&currency=KES",
                "/admin/transactions/transaction/?currency=KES&state=failed"):  # fmt: skip
        assert finance.get(url).status_code == 200


def test_every_older_day_has_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    last = date(2026, 3, 1)
    days = [last - timedelta(days=ago) for ago in range(100)]
    SummedDay.objects.bulk_create(SummedDay(day=day, entries=0) for day in days)
    asked: list[tuple[date, date]] = []
    monkeypatch.setattr(proofs, "missing", lambda first, end: asked.append((first, end)) or [])

    for ago in range(proofs.TURN):
        proofs.found_in_totals(last + timedelta(days=ago))

    checked = {day for first, end in asked for day in days if first <= day <= end}
    assert checked == set(days)
    assert len(asked) < 5 * proofs.TURN
