"""Papers: what is on them, that they can be made again, who may make them, and that each is kept in the register."""

import hashlib
import io
import json
from datetime import UTC, datetime
from typing import Any

import pypdf
import pytest
from django.db.utils import Error
from django.test import Client
from django.urls import reverse

from core.money import grouped
from reports import balances, documents, papers, totals
from reports.admin.periods import query_of
from reports.balances import Period
from reports.documents import Content, issue
from reports.errors import MayNotIssue
from reports.models import DailyProof, IssuedPaper
from reports.papers import Block, Column, Paper, draw
from reports.proofs import prove_daily
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of
from tests.reports.test_balances import lived as lived_fixture
from tests.reports.test_balances import midnight
from transactions import proving
from wallets.models import Wallet

pytestmark = pytest.mark.django_db(transaction=True)
lived = lived_fixture
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def text_of(pdf: bytes) -> str:
    """As a reader would copy it, all pages."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def fetched(client: Client, url: str) -> tuple[str, IssuedPaper]:
    answer = client.post(url)
    assert answer.status_code == 200, answer.headers.get("Location")
    assert answer["Content-Type"] == "application/pdf" and "attachment" in answer["Content-Disposition"]
    row = IssuedPaper.objects.latest("id")
    assert hashlib.sha256(answer.content).hexdigest() == row.file_sha256 and row.number in answer["Content-Disposition"]
    return text_of(answer.content), row


@pytest.fixture
def period() -> Period:
    return Period(midnight(3), midnight(1))


@pytest.fixture
def urls(lived: list[Wallet], period: Period) -> dict[str, str]:
    totals.sum_days()
    proving.prove()
    prove_daily()
    query = query_of(period)
    return {
        "trial_balance": reverse("admin:reports_trial_balance_pdf") + f"?{query}",
        "ledger": reverse("admin:reports_ledger_pdf") + "?" + query_of(period, account="asset:rail:sandbox:KES"),
        "daily_proof": reverse("admin:reports_proof_pdf", args=[DailyProof.objects.get().pk]),
    }


def test_a_trial_balance_is_that_of_the_page(urls: dict[str, str], finance: Client, period: Period) -> None:
    text, row = fetched(finance, urls["trial_balance"])

    for section in balances.trial_balance(period):
        for pair in section.totals:
            assert all(grouped(amount, section.currency) in text for amount in pair)
    assert "asset:rail:sandbox:KES" in text and "Prepared by" in text and "debits equal credits" in text
    _, same = fetched(finance, urls["trial_balance"])
    assert same.data_sha256 == row.data_sha256 and same.number != row.number


def test_a_ledger_has_every_movement(urls: dict[str, str], finance: Client, period: Period) -> None:
    text, _ = fetched(finance, urls["ledger"])

    account = balances.find_account("asset:rail:sandbox:KES")
    assert account is not None
    for one in balances.account_ledger(account, period).page:
        assert grouped(one.balance_after, "KES") in text and (one.receipt or "") in text


def test_a_proof_says_who_signed_it_off(urls: dict[str, str], staff: dict[str, User], finance: Client) -> None:
    proof = DailyProof.objects.get()
    before, row = fetched(finance, urls["daily_proof"])
    finance.post(reverse("admin:reports_dailyproof_sign_off", args=[proof.pk]), {"agreed": "on", "note": "seen"})
    after, signed = fetched(finance, urls["daily_proof"])

    assert "Not signed off yet" in before and "Signed off by Finance Person" in after and "seen" in after
    assert proof.sha256 in after and row.data_sha256 == signed.data_sha256


def test_papers_are_made_by_who_may_see_what_is_on_them(urls: dict[str, str], staff: dict[str, User]) -> None:
    support = client_of(staff[Role.SUPPORT])
    for url in urls.values():
        assert support.post(url).status_code == support.get(url).status_code == 403
        assert Client().post(url).status_code == 302
    with pytest.raises(MayNotIssue):
        issue("ledger", lambda: pytest.fail("built"), actor=staff[Role.SUPPORT])
    assert not IssuedPaper.objects.exists()


def test_looking_takes_no_number(urls: dict[str, str], finance: Client, lived: list[Wallet]) -> None:
    """A link, a reload, a browser that fetches ahead, and a page elsewhere that has no token."""
    strict = client_of(User.objects.get(username="finance"), enforce_csrf_checks=True)
    for url in urls.values():
        for answer in (finance.get(url), finance.head(url)):
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert strict.post(url).status_code == 403
        page = url.replace("-balance.pdf", "-balance/").replace("ledger.pdf", "ledger/")
        assert 'form method="post"' in finance.get(page).text if page != url else True

    assert not IssuedPaper.objects.exists()


def test_a_paper_that_nobody_prints_is_refused(
    urls: dict[str, str], finance: Client, lived: list[Wallet], period: Period, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_LINES", 2)

    answer = finance.post(urls["ledger"], follow=True)

    assert "would be too long" in answer.text and not IssuedPaper.objects.exists()


def test_what_is_asked_wrongly_leads_back(urls: dict[str, str], finance: Client, lived: list[Wallet]) -> None:
    for url in (
        reverse("admin:reports_trial_balance_pdf") + "?start=x",
        reverse("admin:reports_ledger_pdf") + "?account=nothing",
        reverse("admin:reports_proof_pdf", args=[10**15]),
    ):
        assert finance.post(url).status_code == 302, url
    assert not IssuedPaper.objects.exists()


def test_the_register_is_searched_by_number_or_checksum(urls: dict[str, str], finance: Client) -> None:
    _, row = fetched(finance, urls["trial_balance"])
    fetched(finance, urls["ledger"])
    spaced = f"{row.number[:3]} {row.number[3:]}"
    for asked in (row.number, row.number.lower(), spaced, row.data_sha256, row.file_sha256):
        found = finance.get(reverse("admin:reports_issuedpaper_changelist"), {"q": asked})
        assert [one.pk for one in found.context["cl"].result_list] == [row.pk], asked
    found = finance.get(reverse("admin:search"), {"q": spaced})
    assert found["Location"] == reverse("admin:reports_issuedpaper_change", args=[row.pk])
    assert row.file_sha256 in finance.get(reverse("admin:reports_issuedpaper_change", args=[row.pk])).text
    with pytest.raises(Error):
        IssuedPaper.objects.update(title="never was")


# --- Drawing --------------------------------------------------------------------------------------------------------


def paper(blocks: list[Block], **fields: Any) -> Paper:
    asked: dict[str, Any] = {"title": "A title", "number": "N", "facts": [("Label", "value")], "sha256": "0" * 64}
    return Paper(**asked | {"blocks": blocks, "made_by": "Faith", "made_at": NOW} | fields)


def test_long_tables_turn_pages_with_their_heads_and_numbers() -> None:
    columns = [Column("Name", 50), Column("Amount", 50, amount=True)]
    rows = [[f"row {number}", f"{number:,}.00"] for number in range(1, 201)]

    pdf, pages = draw(paper([Block("Many", columns, rows, [["Total", "20,100.00"]])], signatures=["Finance"]))

    document = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(document.pages) == pages > 2
    for number, page in enumerate(document.pages, start=1):
        text = page.extract_text()
        assert f"Page {number} of {pages}" in text and "Amount" in text
    whole = text_of(pdf)
    assert all(f"row {number}" in whole for number in range(1, 201)) and "20,100.00" in whole


def test_signatures_are_never_on_a_page_without_what_is_signed() -> None:
    """However far down the page the last table ends."""
    columns = [Column("Name", 50), Column("Amount", 50, amount=True)]
    for count in [*range(5), *range(40, 75)]:
        rows = [[f"row {number}", f"{number:,}.00"] for number in range(1, count + 1)]
        block = Block("Many", columns, rows, [["Total", "20,100.00"]])

        pdf, _ = draw(paper([block], signatures=["Finance"], ending=["Proven."]))

        last = pypdf.PdfReader(io.BytesIO(pdf)).pages[-1].extract_text()
        assert "Finance: name, signature, date" in last and "Proven." in last and "20,100.00" in last, count
        assert "A title, paper N." in last and last.count("0" * 64) == 2, count  # beside the signatures, in the foot
        assert all(f"row {number}" in last for number in range(max(count - 2, 1), count + 1)), count


def test_an_amount_is_never_cut_and_a_long_word_never_runs_over() -> None:
    columns = [Column("Code", 20), Column("Amount", 5, amount=True), Column("Rest", 75)]
    code, amount = "liability:wallet:" + "0" * 80, "999,999,999,999,999,999.99"

    pdf, _ = draw(paper([Block("Wide", columns, [[code, amount, "x"]])]))

    text = text_of(pdf)
    assert amount in text and code in "".join(text.split())
    papers.load_fonts()
    lines = papers.wrapped(code, papers.TEXT, 50)
    assert "".join(lines) == code and len(lines) > 3


def test_an_empty_table_says_so() -> None:
    pdf, pages = draw(paper([Block("None", [Column("Amount", 1, amount=True)], [], empty="Nothing was found.")]))

    assert pages == 1 and "Nothing was found." in text_of(pdf)


def test_the_letterhead_is_that_of_the_house(settings: Any) -> None:
    settings.LETTERHEAD_NAME, settings.LETTERHEAD_LINES = "Pesa Ltd", ["1 Kenyatta Avenue, Nairobi", "Licence 7"]

    text = text_of(draw(paper([]))[0])

    assert "Pesa Ltd" in text and "1 Kenyatta Avenue, Nairobi" in text and "Licence 7" in text


def test_the_checksum_is_of_what_is_printed() -> None:
    block = Block("T", [Column("A", 1)], [["1"]], [["sum"]])
    content = Content("ledger", "Title", {}, [("a", "b")], [block], [], [])
    written = json.dumps(["Title", [["a", "b"]], [["T", ["A"], [["1"]], [["sum"]]]]], separators=(",", ":"))

    assert content.sha256 == hashlib.sha256(written.encode()).hexdigest()
    assert content._replace(title="Other").sha256 != content.sha256
