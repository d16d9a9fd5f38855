"""Every list of the back office is exported; columns are chosen; what reaches a person leaves with few."""

import re
import unicodedata
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.contacts import masked_text
from core.models import AuditRecord
from customers.authentication import CustomerPrincipal
from customers.models import Customer
from ledger.chart import wallet_account
from ledger.models import Account
from payments.services import NewRequest, Paying, confirm, create_request, pay_request
from payouts.models import Batch
from reports import services
from reports.errors import MayNotExport, UnknownColumn
from reports.lists import EXPORTABLE, NOT_EXPORTED, exportable, list_of, plain
from reports.models import Export
from reports.selectors import for_user
from reports.tables import contactless
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.books import assert_books_balance, key, transfer
from tests.core.test_contacts import READABLE, SPELT
from tests.factories import CustomerFactory, fresh
from tests.holding import capture, held, void
from tests.reports.conftest import dialog, export, fetch, read_csv, read_sheet, read_xlsx
from tests.standing import standing
from transactions import tariff
from transactions.models import UNRESOLVED, FeeRule, Kind, State, UnknownOutcome
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction
from transactions.services.settling import mark
from transactions.services.waivers import waive_fee
from wallets.services import freeze_wallet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exports_within")]
staff, world = staff_fixture, world_fixture
MODELS = sorted((model for model in admin.site._registry if model not in NOT_EXPORTED), key=lambda one: one._meta.label)


def labels(models_: list[type[models.Model]]) -> list[str]:
    return [model._meta.label for model in models_]


@standing
def through(world: World) -> World:
    world.through_a_rail(Kind.CASH_OUT, 30_00)  # money set aside
    mark(world.through_a_rail(Kind.TOP_UP, 7_00).pk, to=State.UNKNOWN, actor="job:rail_calls")
    return world


@pytest.mark.parametrize("model", MODELS, ids=labels(MODELS))
def test_every_list_offers_its_export_and_makes_it(
    through: World, administrator: Client, model: type[models.Model]
) -> None:
    of = list_of(model)
    assert of is not None and of.columns
    listed = administrator.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    assert dialog(of.name) in listed.text

    made, content = export(administrator, of.name)
    rows = read_csv(content)
    there = model._base_manager.all()
    if model is AuditRecord:  # a list of acts, not of looks; fetching its export is another act
        there = there.filter(look=False, at__lte=max(row["at"] for row in rows))
    if model is UnknownOutcome:  # a list of some transactions
        there = there.filter(UNRESOLVED)
    assert len(rows) == made.rows_written == there.count() > 0
    assert list(rows[0]) == [column.name for column in of.columns]
    assert sum(total["rows"] for total in made.control_totals) == len(rows)
    assert "Control totals" in administrator.get(reverse("admin:reports_export_change", args=[made.pk])).text

    again, workbook = export(administrator, of.name, file_format="xlsx")
    assert len(read_xlsx(workbook)) == again.rows_written >= len(rows)


def test_no_secret_is_a_column_of_any_list(through: World) -> None:
    for model in MODELS:
        of = list_of(model)
        assert of is not None
        for column in of.columns:
            assert not any(word in column.source for word in ("password", "fingerprint", "answer", "idempotency"))
    assert {"password", "last_login"} & {column.name for column in plain(User).columns} == {"last_login"}


def test_lists_that_are_described_are_found_by_their_names() -> None:
    assert all(exportable(name) is of and of.name == name for name, of in EXPORTABLE.items())
    assert exportable("staff-user").model is User


def test_columns_are_chosen_and_the_currency_stays_with_amounts(through: World, finance: Client) -> None:
    shown = finance.get(dialog("transactions"))
    hidden = shown.context["form"].initial
    asked = {**hidden, "columns": ["receipt", "amount"]}
    answer = finance.post(dialog("transactions"), asked)
    assert answer.status_code == 302

    made = Export.objects.get(pk=hidden["key"])
    services.run_export(made.pk)
    content = fetch(finance, made.pk)

    assert content.splitlines()[0] == b"receipt,currency,amount"
    assert made.columns == ["receipt", "amount"]
    refused = finance.post(dialog("transactions"), {**hidden, "columns": ["password"]})
    assert refused.context["form"].errors["columns"]


def test_amounts_of_two_currencies_go_each_with_its_own(through: World, finance: Client) -> None:
    made, content = export(finance, "quotes")
    _, workbook = export(finance, "quotes", file_format="xlsx")
    used, to_dollars = read_csv(content)

    assert (used["currency"], used["given"], used["received_currency"]) == ("KES", "10000.00", "NGN")
    assert (to_dollars["received_currency"], to_dollars["received"]) == ("USD", "50.00")
    assert used["used_by"] and not to_dollars["used_by"] and "caller" in used
    assert [str(row["received_currency"]) for row in read_xlsx(workbook)] == ["NGN", "USD"]
    (total,) = made.control_totals
    assert (total["currency"], total["rows"]) == ("KES", 2) and total["given"] > 10_000_00
    shown = finance.get(dialog("quotes"))
    asked = {**shown.context["form"].initial, "columns": ["received"]}
    assert finance.post(dialog("quotes"), asked).status_code == 302
    services.run_export(asked["key"])
    assert fetch(finance, asked["key"]).splitlines()[0] == b"currency,received_currency,received"


def test_what_stands_in_other_tables_leaves_with_the_row(
    through: World, finance: Client, administrator: Client
) -> None:
    """The amount of a standing order is that of its version now; of a payment on a request that of its transaction."""
    orders, order = export(finance, "standing_orders")
    paid, use = export(finance, "request_payments")
    batch = Batch.objects.get(customer=through.wanjiku)
    items, item = export(finance, "payout_items", f"q={batch.pk}")

    (order,), (use,), (item,) = read_csv(order), read_csv(use), read_csv(item)
    assert (order["amount"], order["memo"], order["recipient"]) == ("20.00", "chama", "John Otieno")
    assert (use["amount"], use["state"], use["payer_name"]) == ("5.00", "completed", "Zawadi Achieng")
    assert (item["amount"], item["memo"], item["payout"]) == ("5.00", "casual work", str(batch.pk))
    assert "to" not in item and read_csv(export(administrator, "payout_items")[1])[0]["to"] == str(through.johns.pk)
    assert [made.control_totals for made in (orders, paid, items)] == [
        [{"currency": "KES", "rows": 1, "amount": 20_00}],
        [{"currency": "KES", "rows": 1, "amount": 5_00, "reversed": 0}],
        [{"currency": "KES", "rows": 1, "amount": 5_00}],
    ]


def test_each_amount_is_counted_once_and_fees_come_to_what_the_books_say(
    through: World, staff: dict[str, User], finance: Client
) -> None:
    """What is refused, called off or only promised moves nothing; what goes back of a fee is below zero."""
    for kind, price in ((Kind.PAYMENT, {"bps": 200, "payee_bps": 5_000}), (Kind.TRANSFER, {"flat": 10_00})):
        FeeRule.objects.create(kind=kind, currency="KES", effective_from=date(2026, 1, 1), **{"flat": 0} | price)
    tariff.forget()
    before = export(finance)[0].control_totals[0]
    hold = held(through.wallet, through.johns, 60_00)
    part = post_one(capture(hold, 20_00)).or_raise().transaction
    post_one(capture(hold, 30_00)).or_raise()
    post_one(void(hold))
    post_one(void(held(through.wallet, through.johns, 70_00)))
    post_one(capture(hold, 5_00))  # refused
    sent = post_one(transfer(through.wallet, through.johns, 100_00)).or_raise().transaction
    for moved, amount in ((part, 15_00), (sent, 100_00)):
        reverse_transaction(moved, amount=amount, reason_code="fraud", actor="job:test", idempotency_key=key())
    waive_fee(
        part, amount=5, reason="late", actor=staff[Role.SENIOR_SUPPORT], idempotency_key=key(), of_payee=True,
    )  # fmt: skip
    tariff.forget()

    made, content = export(finance)
    (total,) = made.control_totals
    rows = {row["id"]: row for row in read_csv(content)}

    assert total["moved"] - before["moved"] == 20_00 + 30_00 + 100_00 + 15_00 + 100_00 + 5
    income = Account.objects.filter(code__startswith="income:fees:").aggregate(sum=Sum("posted"))["sum"]
    assert total["fee_income"] == sum(int(row["fee_income_minor"]) for row in rows.values()) == income > 0
    assert (rows[str(hold)]["moved"], rows[str(hold)]["fee_income"], rows[str(part)]["moved"]) == (
        "0.00",
        "0.00",
        "20.00",
    )
    assert min(row["fee_income"] for row in rows.values() if row["kind"] == "adjustment") == "-0.05"
    assert {row["reason_code"] for row in rows.values()} >= {"", "fraud", "fee_waiver"}
    assert_books_balance()


def test_what_went_back_of_a_confirmed_payment_is_told_with_its_promise(through: World, finance: Client) -> None:
    shop = through.johns
    asked = create_request(
        NewRequest(wallet_id=shop.pk, currency="KES", amount=40_00, needs_confirmation=True),
        actor=CustomerPrincipal(shop.customer_id, shop.customer_id),
    )
    hers = CustomerPrincipal(through.wanjiku.pk, through.wanjiku.sessions.latest("id").pk)
    paying = Paying(from_wallet_id=through.wallet.pk)
    use = pay_request(asked, paying, actor=hers, idempotency_key=key(), post=post_one).or_raise().transaction
    taken = confirm(use, actor=CustomerPrincipal(shop.customer_id, None)).payment
    reverse_transaction(taken, amount=10_00, reason_code="fraud", actor="job:test", idempotency_key=key())

    made, content = export(finance, "request_payments")

    (row,) = [one for one in read_csv(content) if one["transaction"] == str(use)]
    assert (row["amount"], row["reversed"], row["taken_of_it"]) == ("40.00", "10.00", str(taken))
    assert made.control_totals[0]["reversed"] == 10_00


def test_a_recall_says_what_was_claimed_held_and_given_back(through: World, finance: Client) -> None:
    made, content = export(finance, "recalls")

    (row,) = read_csv(content)
    assert (row["claimed"], row["held"], row["returned"], row["state"]) == ("50.00", "50.00", "0.00", "withdrawn")
    assert row["payment"] == str(through.sent.pk) and row["note"] == "ticket 9"
    assert made.control_totals == [{"currency": "KES", "rows": 1, "claimed": 50_00, "held": 50_00, "returned": 0}]


def test_personal_columns_leave_with_who_may_take_them(
    through: World, staff: dict[str, User], finance: Client, administrator: Client
) -> None:
    _, content = export(finance, "customers")
    mine, theirs = read_csv(content), export(administrator, "customers")
    assert "phone_number" not in mine[0] and "email" not in mine[0] and "name" in mine[0]
    assert "+254712345678" in theirs[1].decode() and theirs[0].has_personal
    assert "Your role does not take: phone_number, email" in finance.get(dialog("customers")).text

    of = EXPORTABLE["customers"]
    with pytest.raises(MayNotExport):
        for_user(of, staff[Role.FINANCE], ["name", "phone_number"])
    with pytest.raises(UnknownColumn):
        for_user(of, staff[Role.ADMINISTRATOR], ["password"])
    with pytest.raises(MayNotExport):
        for_user(EXPORTABLE["accounts"], staff[Role.SUPPORT])


SAID = "Ring +254 733-918 264, 0733918264 or 254733918264, write to wanjiku.k@example.co.ke. KES 1,000.00, INV-2026-77"
LEFT = "Ring +•••, 07••• or 254•••, write to w•••@example.co.ke. KES 1,000.00, INV-2026-77"


def test_what_people_wrote_leaves_without_the_numbers_and_addresses_in_it(
    through: World, staff: dict[str, User], finance: Client, administrator: Client
) -> None:
    through.send(1_00, memo=SAID[:140], reference="for 0733918264")
    freeze_wallet(through.wallet, mode="debit", reason=SAID, actor=staff[Role.SUPPORT])

    for client, file_format in ((finance, "csv"), (administrator, "csv"), (administrator, "xlsx")):
        _, content = export(client, "transactions", file_format=file_format)
        rows = read_csv(content) if file_format == "csv" else read_xlsx(content)
        (row,) = [row for row in rows if row["reference"] not in ("", None, "INV-2026-77")]
        assert (row["memo"], row["reference"]) == (LEFT, "for 07•••")
        _, content = export(client, "freezes", file_format=file_format)
        assert LEFT in [row["reason"] for row in (read_csv(content) if file_format == "csv" else read_xlsx(content))]
    _, trail = export(finance, "audit")
    assert "733" not in "".join(row["reason"] for row in read_csv(trail))


@pytest.mark.parametrize(
    "text",
    ["", "rent", "2026-11-20 10:56:26", "0192e5a0-1111-7abc-8123-012345678912", "01926547-1111-7123-8123-123456789012",
     "7F3 K9Q X2AB", "100000000000", "w•••@example.com", "+2547•••678", "a=b@c", "@", "1763636183000", *READABLE],
)  # fmt: skip
def test_what_names_nobody_leaves_as_it_is(db: None, text: str) -> None:
    one = CustomerFactory.create(full_name=text)

    (left,) = Customer.objects.filter(pk=one.pk).values_list(contactless("full_name"), flat=True)

    assert left == text == masked_text(text)


@pytest.mark.parametrize("text", [f"ring {one}, please – now" for one in SPELT])
def test_a_number_or_address_leaves_in_no_spelling(db: None, text: str) -> None:
    """By the patterns in SQL as by the program's."""
    one = CustomerFactory.create(full_name=text)

    (left,) = Customer.objects.filter(pk=one.pk).values_list(contactless("full_name"), flat=True)

    for masked in (left, masked_text(text)):
        assert "•••" in masked and masked.startswith("ring ")
        assert not re.search("1.?2.?3.*4.?5.?6|wanjiku", unicodedata.normalize("NFKC", masked))


def test_a_file_with_personal_data_is_not_fetched_by_who_lost_the_right(
    through: World, staff: dict[str, User], administrator: Client
) -> None:
    made, _ = export(administrator, "customers")
    User.objects.filter(pk=staff[Role.ADMINISTRATOR].pk).update(role=Role.FINANCE)

    answer = administrator.get(reverse("admin:reports_export_download", args=[made.pk]), follow=True)

    assert "personal data" in answer.text and not AuditRecord.objects.filter(action="download_export").count() > 1


def test_each_fetching_is_on_the_page_of_the_export(through: World, finance: Client) -> None:
    made, _ = export(finance, "wallets")
    page = reverse("admin:reports_export_change", args=[made.pk])
    fetch(finance, made.pk)

    (fetched,) = [panel for panel in finance.get(page).context["panels"] if panel.title == "Fetched"]

    assert AuditRecord.objects.filter(action="download_export").count() == 2
    assert len(fetched.rows) == 2 and all(by.startswith("Finance Person (") for _, by, _ in fetched.rows)


def test_files_are_removed_after_their_time_and_the_row_stays(
    through: World, finance: Client, settings: Any, exports_dir: Path
) -> None:
    made, _ = export(finance, "wallets")
    Export.objects.filter(pk=made.pk).update(finished_at=now() - timedelta(days=settings.EXPORTS_KEPT_DAYS, hours=1))

    services.remove_old_files()
    services.remove_old_files()

    gone = fresh(made)
    assert gone.file_removed_at and gone.sha256 == made.sha256 and gone.control_totals == made.control_totals
    assert list(exports_dir.glob("*")) == []
    assert AuditRecord.objects.filter(action="remove_export_file", subject_id=str(made.pk)).count() == 1
    page = finance.get(reverse("admin:reports_export_change", args=[made.pk]))
    assert "totals and checksum stay" in page.text and ">Download<" not in page.text
    services.run_again(gone, actor=made.requested_by)
    assert services.run_export(made.pk) and fresh(made).file_removed_at is None


def test_the_ledger_of_an_account_is_exported_in_its_order(through: World, finance: Client) -> None:
    code = wallet_account(through.wallet.pk)
    page = finance.get(reverse("admin:reports_ledger"), {"account": code})
    query = page.context["export_query"]
    assert dialog("ledger") in page.text

    made, content = export(finance, "ledger", query)

    rows = read_csv(content)
    ledger = page.context["ledger"]
    assert [int(row["number"]) for row in rows] == [one.seq for one in ledger.page]
    assert rows[-1]["balance_after_minor"] == str(ledger.closing)
    assert made.control_totals == [
        {"currency": "KES", "rows": len(rows), "debits": ledger.debits, "credits": ledger.credits}
    ]
    refused = finance.get(dialog("ledger", "account=x&recorded_from=yesterday"), follow=True)
    assert "not an instant" in refused.text


def test_holds_are_listed_as_they_stand(through: World, finance: Client) -> None:
    made, content = export(finance, "holds", "state=open")
    (row,) = read_csv(content)

    assert row["amount"] == row["remaining"] == "80.00", "with its fee"
    assert row["account"] == wallet_account(through.wallet.pk)
    assert made.control_totals == [{"currency": "KES", "rows": 1, "amount": 80_00, "remaining": 80_00}]
    assert export(finance, "holds", "state=captured")[0].rows_written == 0
    page = finance.get(reverse("admin:reports_holdline_change", args=[row["transaction"]]))
    assert "Wanjiku Kamau" in page.text


def test_the_workbook_says_what_it_is(through: World, finance: Client) -> None:
    made, content = export(finance, "rail_messages", file_format="xlsx")

    facts = dict(row[:2] for row in read_sheet(content, 1)[:6])
    assert facts["List"] == "rail messages" and facts["Export"] == str(made.pk)
