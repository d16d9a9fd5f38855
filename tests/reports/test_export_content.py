"""From the list to the file and back: every row that the list has, exact amounts, totals that can be checked."""

import hashlib
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

import openpyxl
import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Q, Sum
from django.test import Client

from core.admin.lists import first_id_at
from core.money import EXPONENTS, decimal_string
from fx.pricing import rate_string
from reports import writers
from reports.lists import EXPORTABLE, TRANSACTIONS
from reports.models import EntryLine, Export
from tests.books import assert_books_balance, fund
from tests.factories import new_wallet
from tests.fx.conftest import load_rates_of, terms, three_providers
from tests.reports.conftest import TRANSFERS, World, export, read_csv, read_sheet, read_xlsx
from tests.transactions.test_conversions import conversion, quoted
from transactions.models import Transaction
from transactions.posting import post_one

pytestmark = pytest.mark.django_db(transaction=True)


def moved(one: Transaction) -> int:
    return one.amount if one.state in ("completed", "partially_reversed", "reversed") else 0


def expected(transaction: Transaction) -> dict[str, Any]:
    one = transaction
    return {
        "created_at": one.created_at,
        "receipt": one.receipt,
        "kind": one.kind,
        "state": one.state,
        "currency": one.currency,
        "amount": decimal_string(one.amount, one.currency),
        "fee": decimal_string(one.fee, one.currency),
        "payee_fee": decimal_string(one.payee_fee, one.currency),
        "reversed": decimal_string(one.reversed_amount, one.currency),
        "moved": decimal_string(moved(one), one.currency),
        "fee_income": decimal_string(0, one.currency),  # nothing costs a fee here
        "received_currency": one.received_currency or "",
        "received": decimal_string(one.received, one.received_currency) if one.received else "",
        "rate": "",  # nothing is exchanged here
        "payer": one.payer.customer.full_name if one.payer else "",
        "payee": one.payee.customer.full_name if one.payee else "",
        "memo": one.memo,
        "reference": one.reference or "",
        "order_reference": one.order_reference or "",
        "refusal_code": one.refusal_code,
        "reason_code": one.reason_code,
        "rail": one.rail,
        "rail_reference": one.rail_reference,
        "completed_at": one.completed_at or "",
        "amount_minor": str(one.amount),
        "fee_minor": str(one.fee),
        "payee_fee_minor": str(one.payee_fee),
        "reversed_minor": str(one.reversed_amount),
        "moved_minor": str(moved(one)),
        "fee_income_minor": "0",
        "received_minor": str(one.received or ""),
        "payer_wallet": str(one.payer_id or ""),
        "payee_wallet": str(one.payee_id or ""),
        "reverses": str(one.reverses_id or ""),
        "hold": str(one.hold_id or ""),
        "id": str(one.pk),
    }


def everything() -> list[dict[str, Any]]:
    rows = Transaction.objects.order_by("pk").select_related("payer__customer", "payee__customer")
    return [expected(one) for one in rows]


def test_a_csv_has_every_row_of_the_list_exactly(world: World, finance: Client) -> None:
    made, content = export(finance)

    rows: list[dict[str, Any]] = [dict(row) for row in read_csv(content)]
    for row in rows:
        for name in ("created_at", "completed_at"):
            row[name] = datetime.fromisoformat(row[name]) if row[name] else ""
    assert rows == everything()
    assert len(rows) > TRANSFERS > 50
    assert made.state == "done" and made.attempts == 1 and made.rows_expected == made.rows_written == len(rows)
    assert made.sha256 == hashlib.sha256(content).hexdigest() and made.bytes == len(content)
    assert_books_balance()


def test_what_was_exchanged_has_its_rate_whatever_decimals_its_currencies_have(finance: Client) -> None:
    load_rates_of(today())
    three_providers()
    first = new_wallet(tier=2)
    wallets = {"KES": first} | {code: new_wallet(first.customer, code) for code in ("USD", "UGX")}
    fund(wallets["KES"], 20_000_00)
    fund(wallets["UGX"], 200_000)
    said = {}
    for sell, buy, amount in (("KES", "USD", 13_000_00), ("KES", "UGX", 1_234_56), ("UGX", "KES", 98_765)):
        if "UGX" in (sell, buy):
            terms("duka", sell, buy, 90)
        quote = quoted(wallets[sell], buy, amount)
        done = post_one(conversion(quote, wallets[sell], wallets[buy])).or_raise()
        major = Fraction(quote.buy_minor * 10 ** EXPONENTS[sell], amount * 10 ** EXPONENTS[buy])
        said[str(done.transaction)] = rate_string(major)
    _, content = export(finance)
    _, workbook = export(finance, file_format="xlsx")
    _, quotes = export(finance, "quotes")

    assert {row["id"]: row["rate"] for row in read_csv(content) if row["rate"]} == said
    assert {row["id"]: row["rate"] for row in read_xlsx(workbook) if row["rate"]} == said
    assert {row["used_by"]: row["rate"] for row in read_csv(quotes)} == said
    assert all(len(rate.partition(".")[2]) <= 12 for rate in said.values())


def test_a_workbook_says_the_same(world: World, finance: Client) -> None:
    made, content = export(finance, file_format="xlsx")

    rows = read_xlsx(content)
    for row, wanted in zip(rows, everything(), strict=True):
        for name, value in row.items():
            want = wanted[name]
            if isinstance(want, datetime):  # spreadsheets keep milliseconds
                assert abs(value.replace(tzinfo=UTC) - want) < timedelta(milliseconds=2), name
            elif name in ("amount", "fee", "payee_fee", "reversed", "moved", "fee_income"):
                assert isinstance(value, int | float)
                assert Decimal(str(value)) == Decimal(want), name
            elif name.endswith("_minor") and want:
                assert value == int(want)
            else:
                assert (value or "") == want, name
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Transactions", "Control totals"]
    kes = next(cell for cell in book.worksheets[0]["F"] if cell.row > 1)
    assert kes.number_format == "#,##0.00"


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_control_totals_are_the_sums_of_the_file_and_of_the_table(
    world: World, finance: Client, file_format: str
) -> None:
    made, content = export(finance, file_format=file_format)

    rows = read_csv(content) if file_format == "csv" else read_xlsx(content)
    totals = made.control_totals
    assert [total["currency"] for total in totals] == ["KES", "RWF"]
    for total in totals:
        mine = [row for row in rows if row["currency"] == total["currency"]]
        of_table = Transaction.objects.filter(currency=total["currency"])
        assert total["rows"] == len(mine) == of_table.count()
        for name, field in (("amount", "amount"), ("fee", "fee"), ("reversed", "reversed_amount")):
            assert total[name] == sum(int(row[f"{name}_minor"]) for row in mine)
            assert total[name] == of_table.aggregate(sum=Sum(field))["sum"]
            scale = Decimal(1).scaleb(-EXPONENTS[total["currency"]])
            assert total[name] * scale == sum(Decimal(str(row[name])) for row in mine)


def test_a_workbook_carries_its_totals_and_says_what_it_is(world: World, finance: Client) -> None:
    made, content = export(finance, query="state=completed&from=2020-01-01", file_format="xlsx")

    sheet = read_sheet(content, 1)
    facts = {row[0]: row[1] for row in sheet if row[0] and row[1] is not None}
    assert facts["Export"] == str(made.pk)
    assert facts["State"] == "Completed" and facts["From"] == "2020-01-01"
    assert facts["Requested by"] == "Finance Person" and facts["Rows"] == str(made.rows_written)
    heads = next(row for row in sheet if row[0] == "currency")
    table = [dict(zip(heads, row)) for row in sheet[sheet.index(heads) + 1 :]]
    assert [(row["currency"], row["rows"], row["amount_minor"]) for row in table] == [
        (total["currency"], total["rows"], total["amount"]) for total in made.control_totals
    ]
    assert [Decimal(str(row["amount"])) for row in table] == [
        Decimal(decimal_string(total["amount"], total["currency"])) for total in made.control_totals
    ]


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_entries_are_exported_with_debits_equal_to_credits(world: World, finance: Client, file_format: str) -> None:
    made, content = export(finance, "entries", file_format=file_format)

    rows = read_csv(content) if file_format == "csv" else read_xlsx(content)
    lines = list(EntryLine.objects.order_by("journal_id", "account_id"))
    assert len(rows) == len(lines) > 2 * TRANSFERS
    for row, line in zip(rows, lines, strict=True):
        assert (row["account"], int(row["number"]), row["journal"]) == (
            line.account_code,
            line.seq,
            str(line.journal_id),
        )
        assert (row["kind"], row["reference"], row["currency"]) == (line.kind, line.reference, line.currency)
        filled, blank = ("debit", "credit") if line.side == 1 else ("credit", "debit")
        assert int(row[f"{filled}_minor"]) == line.amount
        assert Decimal(str(row[filled])) == Decimal(decimal_string(line.amount, line.currency))
        assert not row[blank] and not row[f"{blank}_minor"]
        assert int(row["balance_after_minor"]) == line.balance_after
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, count(*), sum(amount) FILTER (WHERE side = 1), sum(amount) FILTER (WHERE side = -1)"
            " FROM ledger_entry GROUP BY 1 ORDER BY 1"
        )
        sums = [(currency, rows, int(debits), int(credits)) for currency, rows, debits, credits in cursor.fetchall()]
    totals = [(one["currency"], one["rows"], one["debits"], one["credits"]) for one in made.control_totals or []]
    assert totals == sums
    assert all(debits == credits for _, _, debits, credits in totals)


# --- Filters: what the list shows, the file has ----------------------------------------------------------------------


def today() -> date:
    return datetime.now(UTC).date()


def midnight(day: date) -> Any:
    return first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC))


FILTERS: dict[str, Any] = {
    "state": lambda w: ({"state": "failed"}, Q(state="failed")),
    "state, under way": lambda w: ({"state": "open"}, Q(state__in=["pending", "processing", "unknown"])),
    "kind": lambda w: ({"kind": "top_up"}, Q(kind="top_up")),
    "currency": lambda w: ({"currency": "RWF"}, Q(currency="RWF")),
    "from": lambda w: ({"from": f"{today()}"}, Q(pk__gte=midnight(today()))),
    "to": lambda w: ({"to": f"{today() - timedelta(days=1)}"}, Q(pk__lt=midnight(today()))),
    "refusal": lambda w: ({"refusal": "insufficient_funds"}, Q(refusal_code="insufficient_funds")),
    "reversed": lambda w: ({"reversed": "yes"}, Q(state="partially_reversed")),
    "reversed, itself": lambda w: ({"reversed": "is"}, Q(kind="reversal")),
    "wallet": lambda w: ({"wallet": str(w.eric.pk)}, Q(payee=w.eric)),
    "customer": lambda w: ({"customer": str(w.eric.customer_id)}, Q(payee=w.eric)),
    "q": lambda w: ({"q": "INV-1"}, Q(reference="INV-1")),
    "q, receipt": lambda w: ({"q": w.refused.receipt}, Q(pk=w.refused.pk)),
    "several": lambda w: ({"kind": "transfer", "currency": "KES", "state": "completed"},
                          Q(kind="transfer", currency="KES", state="completed")),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_a_filtered_list_is_exported_as_filtered(world: World, finance: Client, name: str) -> None:
    filters, meant = FILTERS[name](world)

    made, content = export(finance, query=urlencode(filters | {"p": "2"}))

    ids = {row["id"] for row in read_csv(content)}
    assert ids == {str(pk) for pk in Transaction.objects.filter(meant).values_list("pk", flat=True)}
    assert bool(ids) == (name not in ("to", "state, under way"))
    assert made.filters == filters
    shown = finance.get(f"/admin/transactions/transaction/?{urlencode(filters)}").context["cl"]
    assert shown.result_count == len(ids)


def parameters(name: str) -> set[str]:
    """Every parameter that the list's own filters read."""
    model_admin = admin.site.get_model_admin(EXPORTABLE[name].model)
    request: Any = type("Request", (), {"GET": {}})()
    kinds: Any = model_admin.list_filter
    specs = [kind(request, {}, EXPORTABLE[name].model, model_admin) for kind in kinds]
    return {parameter for spec in specs for parameter in spec.expected_parameters()} | {"q"}


def test_every_filter_of_the_list_of_transactions_is_tried_above() -> None:
    assert {name.partition(",")[0] for name in FILTERS} - {"several"} == parameters("transactions")


ENTRY_FILTERS: dict[str, Any] = {
    "kind": lambda w: ({"kind": "top_up"}, Q(kind="top_up")),
    "currency": lambda w: ({"currency": "RWF"}, Q(currency="RWF")),
    "from": lambda w: ({"from": f"{today()}"}, Q(journal_id__gte=midnight(today()))),
    "to": lambda w: ({"to": f"{today()}"}, Q(journal_id__lt=midnight(today() + timedelta(days=1)))),
    "q": lambda w: ({"q": "asset:rail"}, Q(account_code__startswith="asset:rail:")),
    "q, journal": lambda w: ({"q": str(w.reversed.pk)}, Q(journal_id=w.reversed.pk)),
    "q, wallet": lambda w: ({"q": f"liability:wallet:{w.aline.pk}"}, Q(account_id=w.aline.account_id)),
    "q, nothing": lambda w: ({"q": "no such reference"}, Q(pk="")),
    "account": lambda w: ({"account": "asset:rail:sandbox:KES"}, Q(account_code="asset:rail:sandbox:KES")),
    "recorded_from": lambda w: ({"recorded_from": f"{today()}T00:00:00"}, Q(recorded_at__date__gte=today())),
    "recorded_before": lambda w: ({"recorded_before": "2999-01-01T00:00"}, Q()),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRY_FILTERS)
def test_filtered_entries_are_exported_as_filtered(world: World, finance: Client, name: str) -> None:
    filters, meant = ENTRY_FILTERS[name](world)

    _, content = export(finance, "entries", urlencode(filters))

    lines = {(row["account"], int(row["number"])) for row in read_csv(content)}
    assert lines == set(EntryLine.objects.filter(meant).values_list("account_code", "seq"))
    assert bool(lines) == (name != "q, nothing")


def test_every_filter_of_the_list_of_entries_is_tried_above() -> None:
    assert {name.partition(",")[0] for name in ENTRY_FILTERS} == parameters("entries")


@pytest.mark.parametrize(
    "query",
    [
        "amount__gt=100",
        "payer__customer__password__startswith=argon2",
        "state__in=failed",
        "id=1",
        "state=bogus",
        "state=failed&state=bogus",
        "currency=XXX",
        "from=yesterday",
        "to=2026-13-01",
        "q=a%00b",
        "q=" + "x" * 201,
        "wallet=%0A",
    ],
)
def test_what_the_list_does_not_offer_is_refused_before_anything_is_made(
    world: World, finance: Client, query: str
) -> None:
    shown = finance.get(f"/admin/reports/export/new/transactions/?{query}", follow=False)
    posted = finance.post(
        "/admin/reports/export/new/transactions/",
        {"query": query, "key": "0192f0c0-0000-7000-8000-000000000001", "file_format": "csv"},
    )

    assert shown.status_code == 302
    assert posted.status_code == 200 and posted.context["form"].non_field_errors()
    assert not Export.objects.exists()


@pytest.mark.parametrize("name", ["transactions", "entries"])
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_an_empty_list_makes_a_file_with_its_header_and_no_totals(
    staff: Any, finance: Client, name: str, file_format: str
) -> None:
    made, content = export(finance, name, "currency=GBP", file_format)

    heads = [column.name for column in EXPORTABLE[name].columns]
    if file_format == "csv":
        assert content.decode() == ",".join(heads) + "\n"
    else:
        assert read_sheet(content) == [heads]
        assert read_sheet(content, 1)[-1][1:] == [0] * (1 + 2 * len(EXPORTABLE[name].sums))
    assert made.state == "done" and made.rows_written == 0 and made.control_totals == []
    page = finance.get(f"/admin/reports/export/{made.pk}/change/")
    assert "all totals are 0" in page.text


def test_a_filter_that_can_match_nothing_makes_an_empty_file(world: World, finance: Client) -> None:
    """Django knows such a list to be empty and has no statement for it."""
    _, content = export(finance, query="wallet=not-a-wallet")

    assert read_csv(content) == []


# --- Cells and sheets ----------------------------------------------------------------------------------------------


class Streamed:
    """Rows as COPY gives them."""

    def __init__(self, *rows: tuple[str | None, ...]) -> None:
        self.given = rows

    def rows(self) -> Any:
        return iter(self.given)


def test_an_amount_that_a_double_cannot_hold_is_written_as_text(tmp_path: Any) -> None:
    path = tmp_path / "file"
    writer = writers.XlsxWriter(path, TRANSACTIONS)
    names = [column.name for column in TRANSACTIONS.columns]
    amounts = ["9999999999999.99", "999999999999.99", "0.29", "-0.07", "1000000000000000", "123456789012345"]
    rows = []
    for amount in amounts:
        row: dict[str, str | None] = dict.fromkeys(names)
        row |= {"currency": "KES", "amount": amount, "amount_minor": amount.replace(".", "")}
        rows.append(tuple(row[name] for name in names))

    writer.rows(Streamed(*rows), lambda rows: None)  # type: ignore[arg-type]
    writer.finish([], [])

    read = [row["amount"] for row in read_xlsx(path.read_bytes())]
    assert [str(value) for value in read] == amounts
    assert [isinstance(value, str) for value in read] == [True, False, False, False, True, False]


def test_a_workbook_goes_on_on_the_next_sheet(world: World, finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SHEET_ROWS", 101)
    _, one_sheet = export(finance)

    made, content = export(finance, file_format="xlsx")

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    assert book.sheetnames[:4] == ["Transactions", "Control totals", "Transactions 2", "Transactions 3"]
    heads = [column.name for column in TRANSACTIONS.columns]
    ids = []
    for name in book.sheetnames:
        if name != "Control totals":
            first, *rest = [[cell.value for cell in row] for row in book[name].iter_rows()]
            assert first == heads and len(rest) <= 100
            ids += [row[-1] for row in rest]
    assert ids == [row["id"] for row in read_csv(one_sheet)]
    assert len(ids) == made.rows_written
