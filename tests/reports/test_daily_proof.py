"""The proof of a day: made once, names what is wrong, is signed off by a person; and what watches in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.utils import Error
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord, JobRun
from core.roles import connected_as_owner
from ledger import chart, selectors
from ledger.selectors import last_proof
from ledger.services import open_account
from reports import proofs, totals
from reports.balances import Period, open_items, trial_balance
from reports.errors import BreakNeedsNote, MayNotSignOff, ProofSigned
from reports.models import DailyProof, SignOff
from reports.proofs import checksum, figures_of, not_covered, prove_daily, sign_off, stored_and_summed, watch
from staff.approvals import approve, request_approval
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of
from tests.books import fund
from tests.factories import new_wallet
from tests.reports.conftest import said
from tests.reports.test_balances import lived as lived_fixture
from tests.reports.test_balances import midnight
from tests.wallets.test_close_wallet import through_a_rail
from transactions import proving
from transactions.movements import Settlement
from transactions.posting import post_one
from transactions.rules import adjustments
from wallets.models import Wallet
from wallets.services import close_wallet

pytestmark = pytest.mark.django_db(transaction=True)
lived = lived_fixture


def yesterday() -> date:
    return midnight(1).date()


@contextmanager
def guards_off(*tables: str) -> Iterator[Any]:
    with connected_as_owner(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def proven(lived: list[Wallet]) -> list[Wallet]:
    totals.sum_days()
    proving.prove()
    return lived


@pytest.fixture
def torn(lived: list[Wallet]) -> list[Wallet]:
    """Somebody with the owner's rights gave John a shilling."""
    with guards_off("ledger_account") as cursor:
        cursor.execute("UPDATE ledger_account SET posted = posted + 100 WHERE id = %s", [lived[1].account_id])
    return lived


def test_a_day_is_proven_once_when_it_can_be(lived: list[Wallet]) -> None:
    assert prove_daily() is None  # neither added up nor proven
    totals.sum_days()
    assert prove_daily() is None
    proving.prove()

    proof = prove_daily()

    assert proof is not None and proof.ok and proof.day == yesterday() and proof.findings == []
    kes, rwf = proof.figures
    assert (kes["currency"], rwf["currency"]) == ("KES", "RWF")
    for one in (kes, rwf):
        assert one["debits"] == one["credits"] > 0 and one["debit_balances"] == one["credit_balances"]
        assert one["stored"] == one["summed"] and one["rails"] == one["wallets"] + one["suspense"] + one["rest"]
    assert proof.sha256 == checksum(proof.day, proof.figures, proof.findings)
    assert prove_daily() is None and DailyProof.objects.count() == 1
    assert JobRun.objects.get(job="daily_proof").finished_at
    for change in (lambda: DailyProof.objects.update(ok=False), lambda: DailyProof.objects.all().delete()):
        with pytest.raises(Error):
            change()


def test_a_break_is_named_and_told(torn: list[Wallet], staff: dict[str, User], finance: Client) -> None:
    User.objects.update(email="")
    User.objects.filter(role=Role.FINANCE).update(email="faith@example.com")
    User.objects.filter(role=Role.SUPPORT).update(email="grace@example.com")
    totals.sum_days()
    proving.prove()

    proof = prove_daily()

    assert proof is not None and not proof.ok
    code = f"liability:wallet:{torn[1].pk}"
    assert {"D2", "I3"} <= {one["number"] for one in proof.findings if one["name"] == code}
    (told,) = mail.outbox
    assert told.to == ["faith@example.com"] and code in told.body
    page = finance.get(reverse("admin:reports_dailyproof_change", args=[proof.pk]))
    assert f"/finance/ledger/?account={code}" in page.text and "do not agree" in page.text


def test_a_break_is_found_within_minutes_and_told_once(torn: list[Wallet], staff: dict[str, User]) -> None:
    """G: what watches is not the daily proof, and names the account all the same."""
    User.objects.update(email="")
    User.objects.filter(role=Role.FINANCE).update(email="faith@example.com")
    code = f"liability:wallet:{torn[1].pk}"

    found = watch()
    again = watch()

    assert [one.name for one in found] == [code] and again == []
    last = last_proof()
    assert last is not None and not last.ok and code in {one["name"] for one in last.findings}
    assert len(mail.outbox) == 1 and code in mail.outbox[0].body


def test_what_watches_is_quiet_while_the_books_agree(proven: list[Wallet]) -> None:
    assert watch() == []
    fund(proven[0], 7_00)
    assert watch() == [] and mail.outbox == []
    assert all(one.stored == one.summed for one in stored_and_summed())


def test_totals_that_are_wrong_are_told_once_an_hour(proven: list[Wallet], staff: dict[str, User]) -> None:
    User.objects.update(email="")
    User.objects.filter(role=Role.FINANCE).update(email="faith@example.com")
    with guards_off("reports_daytotal") as cursor:
        cursor.execute("UPDATE reports_daytotal SET debits = debits + 1 WHERE line = 'liability:wallet'")

    assert {one.name for one in watch()} == {"liability:wallet"}
    assert watch() and len(mail.outbox) == 1


def test_a_day_whose_totals_are_wrong_is_not_proven(proven: list[Wallet]) -> None:
    with guards_off("reports_daytotal") as cursor:
        cursor.execute(
            "UPDATE reports_daytotal SET debits = debits + 5, credits = credits + 5 WHERE recorded_on = %s",
            [yesterday() - timedelta(days=1)],
        )

    proof = prove_daily()

    assert proof is not None and {one["number"] for one in proof.findings} == {"D3"}


def test_e_money_that_is_not_covered_is_found(proven: list[Wallet]) -> None:
    """The bank's money went, on the books too, and nobody has less for it."""
    with guards_off("reports_daytotal", "ledger_account", "ledger_entry") as cursor:
        for query in (
            "UPDATE ledger_account SET posted = posted - 1000 WHERE code = 'asset:rail:sandbox:KES'",
            "UPDATE reports_daytotal SET credits = credits + 1000 WHERE line = 'asset:rail:sandbox:KES' AND id ="
            " (SELECT max(id) FROM reports_daytotal WHERE line = 'asset:rail:sandbox:KES')",
        ):
            cursor.execute(query)

    proof = prove_daily()

    assert proof is not None and ("D4", "currency KES") in {(one["number"], one["name"]) for one in proof.findings}


def test_suspense_below_zero_is_found_and_covers_nothing(
    lived: list[Wallet], staff: dict[str, User], finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was possible once: an account without a floor, and as much taken out of it as was put on a wallet."""
    open_account(chart.suspense("KES"), "KES", chart.CREDIT, floor=None)
    monkeypatch.setattr(adjustments, "_can_give", lambda account, amount: True)
    params: dict[str, Any] = {
        "debit": chart.suspense("KES"), "credit": chart.wallet_account(lived[0].pk), "amount_minor": 5_000_000_00,
        "currency": "KES",
    }  # fmt: skip
    asked = request_approval("adjustment", params, maker=staff[Role.FINANCE], reason="ticket 12")
    approve(asked.pk, actor=staff[Role.ADMINISTRATOR])
    sections = trial_balance(Period(midnight(0), totals.utc_now()))

    found = {(one.number, one.name) for one in not_covered([figures_of(one, []) for one in sections])}

    assert found == {("D4", "currency KES"), ("D5", "liability:suspense:KES")}
    kes = next(one for one in selectors.coverage() if one.currency == "KES")
    assert kes.suspense == -5_000_000_00 and kes.owed == kes.wallets and not kes.covered
    page = finance.get(reverse("admin:reports_books_now")).text
    for said_there in ("Not covered", "-5,000,000.00", "account=liability:suspense:KES", "The books do not agree"):
        assert said_there in page, said_there
    assert "Not covered" in finance.get(reverse("admin:index")).text


# --- Signing off ----------------------------------------------------------------------------------------------------


@pytest.fixture
def proof(proven: list[Wallet]) -> DailyProof:
    made = prove_daily()
    assert made is not None
    return made


def test_a_proof_is_signed_off_once_under_a_name(proof: DailyProof, staff: dict[str, User]) -> None:
    client = client_of(staff[Role.FINANCE])
    url = reverse("admin:reports_dailyproof_sign_off", args=[proof.pk])
    assert client.post(url, {"note": "seen"}).context["form"].errors and not SignOff.objects.exists()
    assert client.post(url, {"agreed": "on", "note": ""}).status_code == 302

    signed = SignOff.objects.get()
    assert signed.signed_by == staff[Role.FINANCE] and signed.sha256 == proof.sha256
    record = AuditRecord.objects.get(action="sign_off_proof")
    assert record.actor == staff[Role.FINANCE].principal and record.after["sha256"] == proof.sha256
    assert "Finance Person" in client.get(reverse("admin:reports_dailyproof_changelist")).text
    with pytest.raises(ProofSigned):
        sign_off(proof, actor=staff[Role.ADMINISTRATOR])
    with pytest.raises(MayNotSignOff):
        sign_off(proof, actor=staff[Role.SUPPORT])
    assert client_of(staff[Role.SUPPORT]).post(url).status_code == 403
    with pytest.raises(Error):
        SignOff.objects.update(note="never mind")


def test_a_break_is_signed_off_with_a_word_about_it(torn: list[Wallet], staff: dict[str, User]) -> None:
    totals.sum_days()
    proving.prove()
    made = prove_daily()
    assert made is not None

    with pytest.raises(BreakNeedsNote):
        sign_off(made, actor=staff[Role.FINANCE], note="  ")
    assert sign_off(made, actor=staff[Role.FINANCE], note="ticket 7").note == "ticket 7"


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_the_books_now_say_whether_they_agree(
    proven: list[Wallet], staff: dict[str, User], finance: Client, support: Client
) -> None:
    url = reverse("admin:reports_books_now")
    assert "The books agree" in finance.get(url).text
    assert support.get(url).status_code == 403
    with guards_off("ledger_account") as cursor:
        cursor.execute("UPDATE ledger_account SET posted = posted - 1 WHERE code = 'asset:rail:sandbox:RWF'")

    page = finance.get(url)

    assert "The books do not agree" in page.text and "account=asset:rail:sandbox:RWF" in page.text


def test_what_waits_in_suspense_is_listed_oldest_first(lived: list[Wallet], staff: dict[str, User]) -> None:
    """Two top-ups for a wallet that was closed meanwhile; two people then give part of it to whom it was meant for."""
    gone = new_wallet(full_name="Jane Wambui", tier=2)
    waiting = [post_one(through_a_rail(gone, "top_up", amount)).or_raise() for amount in (500_00, 70_00)]
    close_wallet(gone, actor=None)
    for one in waiting:
        post_one(Settlement(transaction=one.transaction, to="completed", actor="rail:sandbox")).or_raise()
    before = [(item.amount, item.open) for item in open_items("liability:suspense", totals.utc_now())]
    assert before == [(500_00, 500_00), (70_00, 70_00)]
    params: dict[str, Any] = {
        "debit": chart.suspense("KES"), "credit": chart.wallet_account(lived[0].pk), "amount_minor": 200_00,
        "currency": "KES",
    }  # fmt: skip
    asked = request_approval("adjustment", params, maker=staff[Role.FINANCE], reason="ticket 12")
    approve(asked.pk, actor=staff[Role.ADMINISTRATOR])

    items = open_items("liability:suspense", totals.utc_now())
    page = client_of(staff[Role.FINANCE]).get(reverse("admin:reports_books_now"))

    assert [(one.code, one.amount, one.open) for one in items] == [
        ("liability:suspense:KES", 500_00, 300_00), ("liability:suspense:KES", 70_00, 70_00),
    ]  # fmt: skip
    (table,) = [panel for panel in page.context["panels"] if panel.title.startswith("Suspense")]
    assert len(table.rows) == 2 and f"/transactions/transaction/{waiting[0].transaction}/" in page.text
    assert open_items("liability:suspense", midnight(0)) == []


def test_a_finding_leads_to_what_it_names(staff: dict[str, User]) -> None:
    from reports.admin.proofs import named

    some = "0192f0c1-0000-7000-8000-000000000001"
    assert f"/ledger/journal/{some}/" in named(f"journal {some}")
    assert f"/transactions/transaction/{some}/" in named(f"transaction {some}")
    assert "account=7" in named("account 7")
    for plain in ("currency KES", "liability:wallet", "transaction x", "outbox entry 7"):
        assert named(plain) == plain or "account=" in named(plain)
    assert named("liability:wallet") == "liability:wallet"


def test_a_fresh_system_has_nothing_to_prove(staff: dict[str, User], finance: Client) -> None:
    assert totals.sum_days() == [] and prove_daily() is None and watch() == []
    assert "The books agree" in said(finance.get(reverse("admin:reports_books_now")))
    assert proofs.stored_and_summed() == []
