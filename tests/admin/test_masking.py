"""G48 in the back office: nobody's number or address is anywhere on its pages unless it was revealed; and revealing."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core import mail
from django.db import connection
from django.db.models import CharField, Model, TextField
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.timezone import now

from core import audit, contacts, failures
from core.admin import masking
from core.ids import uuid7
from core.models import AuditRecord, FailedJob
from core.roles import connected_as_owner
from customers import reveals
from customers.links import declare_link, end_link
from customers.models import Customer, Reveal, Session
from customers.services import reactivate_customer, suspend_customer, update_profile
from ledger.models import PeriodClose
from notes.services import write_note
from notifications.models import Delivery, Notification
from reports.models import DailyProof, SignOff
from staff.approvals import reject, request_approval
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tests.admin.conftest import LONG_AGO, World, client_of, member, odd_message
from tests.admin.test_matrix import addresses as every_page_fixture
from tests.admin.test_matrix import pages
from tests.factories import PASSWORD as CUSTOMERS_PASSWORD
from tests.standing import standing
from transactions.models import Event, Kind, RailCall, RailMessage, Transaction
from viewings.services import start_viewing
from wallets.services import freeze_wallet

PHONE, EMAIL, ACCOUNT, IP = "+254733918264", "wanjiku@example.com", "0102030405", "41.90.64.7"
SAID = f"She says to ring {PHONE} or 0733 918 264, or to write to {EMAIL}."
CANARIES = ("733918264", "733 918 264", "733-918-264", EMAIL, EMAIL.upper(), ACCOUNT, IP)
Count = Callable[[Client, str], int]
every_page = every_page_fixture


@standing
def canaries(world: World, staff: dict[str, User]) -> World:
    """Wanjiku's number, address, account and network, wherever somebody or something could have written them."""
    agent = staff[Role.SUPPORT]
    Customer.objects.filter(pk=world.wanjiku.pk).update(phone_number=PHONE)
    for row in (world.wanjiku, world.wallet, world.sent):
        write_note(row, SAID, actor=agent, key=f"note-{row.pk}")
    Session.objects.filter(customer=world.wanjiku).update(ip=IP)
    freeze_wallet(world.wallet, mode="credit", reason=SAID, actor=agent)
    sent = world.send(1_00, memo=f"ring {PHONE}", reference=f"to {PHONE}")
    cash_out = world.through_a_rail(Kind.CASH_OUT, 100_00)
    said = {"msisdn": PHONE, "account_number": ACCOUNT, "text": SAID, "payer": {"email": EMAIL, "mobile": 254733918264}}
    odd_message("msg_canary", payload=said, note=SAID, transaction=cash_out)
    RailCall.objects.create(
        transaction=cash_out, number=1, purpose="submit", started_at=now(), finished_at=now(), request=said,
        response=said, outcome="accepted",
    )  # fmt: skip
    update_profile(
        world.wanjiku.pk, {"email": "wanjiku.k@example.com"}, current_password=CUSTOMERS_PASSWORD,
    )  # fmt: skip
    update_profile(world.wanjiku.pk, {"email": EMAIL}, current_password=CUSTOMERS_PASSWORD)
    told = Notification.objects.get(kind="money_sent")
    note = Notification.objects.create(
        event=uuid7(), customer=world.wanjiku, transaction=told.transaction, kind="recall_opened", title=SAID[:60],
        body=SAID,
    )  # fmt: skip
    Delivery.objects.create(notification=note, state="failed", due_at=now(), error=f"{EMAIL}: no such mailbox")
    audit.record(actor=world.wanjiku, action="sign_in", subject=world.wanjiku, after=said, reason=SAID)
    audit.looked(actor=agent, action="list", subject_type="customers.customer", at={"phone": PHONE, "about": SAID})
    AuditRecord.objects.create(actor=world.wanjiku.principal, action="sign_in", subject_type="x", subject_id="1", ip=IP)
    params = {"transaction": sent.pk, "amount_minor": 50, "reason_code": "fraud"}
    request_approval("reversal", params, maker=staff[Role.SENIOR_SUPPORT], reason=SAID)
    fraud = freeze_wallet(world.wallet, mode="debit", reason=SAID, actor=agent, cause="fraud")
    lifting = request_approval("unfreeze", {"freeze": str(fraud.pk)}, maker=agent, reason=SAID)
    reject(lifting.pk, actor=staff[Role.COMPLIANCE], comment=SAID)
    request_approval("unfreeze", {"freeze": str(fraud.pk)}, maker=agent, reason=SAID)
    failures.close(FailedJob.objects.get().pk, actor=staff[Role.OPERATIONS], reason=SAID)
    SignOff.objects.create(proof=DailyProof.objects.get(), signed_by=staff[Role.FINANCE], note=SAID, sha256="0" * 64)
    PeriodClose.objects.create(
        closed_before=LONG_AGO + timedelta(days=1), closed_at=now(), closed_by="job:opening", note=SAID
    )
    link = declare_link(
        staff[Role.SENIOR_SUPPORT], world.wanjiku, relation="family", note=SAID, actor=staff[Role.COMPLIANCE]
    )
    end_link(link, reason=SAID, actor=staff[Role.COMPLIANCE])
    start_viewing(world.wanjiku, agent=agent, session_began_at=now(), why="asked", note=SAID)
    for act in (suspend_customer, reactivate_customer, suspend_customer):
        world.wanjiku = act(world.wanjiku, actor=agent, reason=SAID)
    reactivate_customer(world.wanjiku, actor=agent, reason=SAID)
    world.wanjiku = suspend_customer(world.wanjiku, actor=agent, reason=SAID, cause="fraud")
    standing = {"customer": str(world.wanjiku.pk), "state": "active"}
    request_approval("reinstatement", standing, maker=agent, reason=SAID)
    return world


def addresses(*, many: bool = True) -> Iterator[str]:
    """Every page of the site about the newest rows there are, every dialog, every list plain and searched; or about the
    newest three of each kind."""
    most = {AuditRecord: 25 if many else 5}
    site: Any = admin.site._registry
    for model, model_admin in site.items():
        prefix = f"{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"admin:{prefix}_changelist")
        if model is AuditRecord:
            yield reverse(f"admin:{prefix}_changelist") + "?look=all"
        if model_admin.search_fields:
            yield reverse(f"admin:{prefix}_changelist") + "?q=wanjiku"
        names = [name for name in pages() if name.startswith(f"{prefix}_") and "object_id" in pages()[name]]
        for position, row in enumerate(model._base_manager.order_by("-pk")[: most.get(model, 8 if many else 3)]):
            with_dialogs = position < (2 if many else 1)  # those of one kind are alike
            shown = [name for name in names if name.endswith("_change") or with_dialogs]
            yield from (reverse(f"admin:{name}", args=[row.pk]) for name in shown)
    yield from (reverse(f"admin:{name}") for name, route in pages().items() if "<" not in route and name != "logout")
    for asked in ("wanjiku", "kamau", "2547", "wan", "wanjiku@", "25473391"):
        yield reverse("admin:search", query={"q": asked})
    for row in Transaction.objects.all():
        yield reverse("admin:search", query={"q": row.receipt})


def leaks(client: Client, urls: Any, but: str = "") -> list[tuple[str, str]]:
    """Which of the canaries are where: bodies, attributes and titles, headers, cookies. ``but``: what we typed."""
    found = []
    for url in dict.fromkeys(urls):
        answer = client.get(url)
        sent = f"{answer.headers} {answer.cookies} " + (
            b"".join(answer).decode(errors="ignore") if answer.streaming else answer.content.decode(errors="ignore")
        )
        sent = sent.replace(but, "") if but else sent
        found += [(url, canary) for canary in CANARIES if canary in sent]
    return found


@pytest.mark.parametrize("role", Role.values)
def test_no_page_shows_a_number_or_an_address_to_anybody(
    canaries: World, every_page: dict[str, str], staff: dict[str, User], role: str
) -> None:
    """``every_page``: those about no row of a list, too; but not the way out. Who sees all there is, sees more rows."""
    others = [url for name, url in every_page.items() if name != "logout"]

    assert leaks(client_of(staff[role]), [*addresses(many=role == Role.ADMINISTRATOR), *others]) == []


@pytest.mark.parametrize(
    ("broken", "caught_on"),
    [
        ("core.contacts.masked_phone", "/customers/customer/"),
        ("core.contacts.masked_email", "/customers/customer/"),
        ("core.contacts.masked_text", "/notes/note/"),
        ("core.contacts.masked_document", "/transactions/railmessage/"),
        ("core.contacts.masked_ip", "/core/auditrecord/"),
        ("customers.admin.masking.phone", "/customers/customer/"),
        ("wallets.admin.masking.words", "/wallets/freeze/"),
        ("staff.inbox.masked_text", "/staff/approval/"),
        ("staff.failed_jobs.masking.words", "/core/failedjob/"),
    ],
)
def test_a_page_without_its_mask_is_caught(
    canaries: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch, broken: str, caught_on: str
) -> None:
    """The harness sees what it is to see."""
    monkeypatch.setattr(broken, lambda *args: args[-1])

    found = leaks(client_of(staff[Role.AUDITOR]), (url for url in addresses() if caught_on in url))

    assert found


@pytest.mark.parametrize("said", [PHONE, "0733 918 264", "254733918264", EMAIL, EMAIL.upper()])
def test_whoever_knows_the_number_finds_its_owner_and_is_shown_a_mask(
    canaries: World, support: Client, said: str
) -> None:
    listed = support.get(reverse("admin:customers_customer_changelist"), {"q": said})

    assert "Wanjiku Kamau" in listed.text and "John Otieno" not in listed.text
    assert '<span class="hit-exact">exact</span>' in listed.text
    assert "+2547•••264" in listed.text and "w•••@example.com" in listed.text
    typed = re.sub(r'(value|href|content)="[^"]*"', "", listed.text)
    assert not [canary for canary in CANARIES if canary in typed and canary not in said]
    assert (
        support.get(reverse("admin:search", query={"q": said}))
        .headers["Location"]
        .endswith(reverse("admin:customers_customer_change", args=[canaries.wanjiku.pk]))
    )


WHOLE = [PHONE, PHONE[1:], "0733918264", "0733 918 264", "733918264", EMAIL]


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE])
def test_no_part_of_a_number_or_address_finds_anybody(canaries: World, staff: dict[str, User], role: str) -> None:
    """Or what the mask hides could be read out by guessing one character after another. Words of a name are no part."""
    client, found = client_of(staff[role]), []
    parts = [part for whole in WHOLE for cut in range(1, len(whole)) for part in (whole[:cut], whole[cut:])]
    for part in dict.fromkeys(parts):  # spellings of one number have most of their parts in common
        asked = ["customers_customer", "wallets_wallet", "customers_reveal"]
        urls = [reverse(f"admin:{one}_changelist", query={"q": part}) for one in asked if may_list(staff[role], one)]
        urls.append(reverse("admin:search", query={"q": part}))
        found += [part for url in urls if "Wanjiku Kamau" in client.get(url, follow=True).text]

    names = {EMAIL[:end] for end in range(2, len("wanjiku") + 1)}  # beginnings of her name, which is no secret
    national = {PHONE[4:], PHONE[1:], "0" + PHONE[4:]}
    assert {one.lstrip("0+ ") for one in found} - names <= {one.lstrip("0") for one in national} | {"733 918 264"}
    for whole in WHOLE:
        assert client.get(reverse("admin:search", query={"q": whole})).status_code == 302, whole


def may_list(user: User, model: str) -> bool:
    app, _, name = model.partition("_")
    return user.has_perm(f"{app}.view_{name}")


# --- Revealing ----------------------------------------------------------------------------------------------------

WHY = {"because": "identify", "reason": "she calls about a payment"}


def page(model: str, row: Model) -> str:
    return reverse(f"admin:{model}_change", args=[row.pk])


def dialog(customer: Customer) -> str:
    return reverse("admin:customers_customer_reveal", args=[customer.pk])


def facts(client: Client, url: str) -> dict[str, str]:
    answer: Any = client.get(url)
    panels = [*answer.context["panels"], *answer.context["side_panels"]]
    return {label: strip_tags(str(value)) for one in panels for label, value in getattr(one, "rows_", one_facts(one))}


def one_facts(panel: Any) -> list[tuple[str, Any]]:
    return list(panel.rows) if type(panel).__name__ == "Facts" else []


def test_a_reveal_shows_one_customer_to_one_agent_for_a_while(
    canaries: World, support: Client, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = page("customers_customer", canaries.wanjiku)
    assert "You have 50 of 50 left in 24 hours" in support.get(dialog(canaries.wanjiku)).text

    done = support.post(dialog(canaries.wanjiku), WHY)

    assert done.status_code == 302 and done.headers["Location"] == url
    shown = support.get(url)
    assert facts(support, url)["Phone"].startswith(PHONE) and IP in shown.text and EMAIL in shown.text
    assert "Personal data is shown to you, Support Person, until" in shown.text
    row = Reveal.objects.get(customer=canaries.wanjiku)
    assert f'data-masked-from="{row.until.isoformat()}"' in shown.text
    for model, about in (("wallets_wallet", canaries.wallet), ("wallets_wallet", canaries.frozen)):
        assert PHONE in support.get(page(model, about)).text
    assert "It is shown to you already, until" in support.get(dialog(canaries.wanjiku)).text
    assert "You have 49 of 50" in support.get(dialog(canaries.john)).text

    colleague = client_of(member(Role.SUPPORT, "kato"))
    assert leaks(colleague, [url]) == leaks(support, [page("customers_customer", canaries.john)]) == []
    assert leaks(support, [reverse("admin:customers_customer_changelist"), reverse("admin:search") + "?q=wanj"]) == []

    monkeypatch.setattr("customers.reveals.now", lambda: row.until)
    assert leaks(support, [url, page("wallets_wallet", canaries.wallet)]) == []
    assert "data-masked-from" not in support.get(url).text


def test_a_page_about_two_people_is_masked_until_both_are_revealed(canaries: World, support: Client) -> None:
    sent = Transaction.objects.get(reference=f"to {PHONE}")
    url = page("transactions_transaction", sent)

    support.post(dialog(canaries.wanjiku), WHY)
    assert leaks(support, [url]) == []
    support.post(dialog(canaries.john), WHY)
    assert PHONE in support.get(url).text


def test_where_a_cash_out_goes_is_revealed_with_its_owner(canaries: World, support: Client) -> None:
    cash_out = Transaction.objects.get(kind=Kind.CASH_OUT)
    message = RailMessage.objects.get(message_id="msg_canary")
    urls = [page("transactions_transaction", cash_out), page("transactions_railmessage", message)]
    assert leaks(support, urls) == []

    support.post(dialog(canaries.wanjiku), WHY)

    assert all(ACCOUNT in support.get(url).text for url in urls)


def test_what_was_changed_is_revealed_with_whose_it_is(canaries: World, support: Client) -> None:
    record = AuditRecord.objects.filter(action="update_profile").first()
    assert record is not None
    assert facts(support, page("core_auditrecord", record))["After"] == "Email: w•••@example.com"

    support.post(dialog(canaries.wanjiku), WHY)

    assert EMAIL in facts(support, page("core_auditrecord", record))["After"]


@pytest.mark.parametrize("form", [{}, {"because": "identify"}, {"reason": "x"}, WHY | {"because": "curiosity"},
                                  WHY | {"reason": "   "}, WHY | {"reason": "x" * 501}])  # fmt: skip
def test_without_a_reason_nothing_is_revealed(canaries: World, support: Client, form: dict[str, str]) -> None:
    assert support.post(dialog(canaries.wanjiku), form).status_code == 200

    assert not Reveal.objects.filter(customer=canaries.wanjiku).exists()
    assert leaks(support, [page("customers_customer", canaries.wanjiku)]) == []


def test_a_case_of_compliance_is_for_compliance_to_name(
    canaries: World, support: Client, staff: dict[str, User]
) -> None:
    case, theirs = WHY | {"because": "case"}, dialog(canaries.wanjiku)

    assert 'value="case"' not in support.get(theirs).text
    assert support.post(theirs, case).status_code == 200 and not Reveal.objects.filter(because="case").exists()

    compliance = client_of(staff[Role.COMPLIANCE])
    assert 'value="case"' in compliance.get(theirs).text
    assert compliance.post(theirs, case).status_code == 302 and Reveal.objects.filter(because="case").exists()


def test_when_the_quota_is_used_the_dialog_says_when_the_next_is_free(
    canaries: World, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reveals.A_DAY, Role.SUPPORT, 1)
    support.post(dialog(canaries.wanjiku), WHY)
    free = Reveal.objects.get(customer=canaries.wanjiku).at + timedelta(hours=24, minutes=1)

    asked, refused = support.get(dialog(canaries.john)), support.post(dialog(canaries.john), WHY)

    assert f"You have used all 1 of the last 24 hours: the next is free at {free:%H:%M UTC on %-d %b}." in asked.text
    assert "You have revealed as many customers as your role may in 24 hours. That is 1." in refused.text
    assert AuditRecord.objects.get(action="reveal_refused").after["code"] == "reveal_quota_used"
    assert not Reveal.objects.filter(customer=canaries.john, agent__role=Role.SUPPORT).exists()


@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_CHECKER])
def test_who_may_not_reveal_is_offered_nothing_and_refused(canaries: World, staff: dict[str, User], role: str) -> None:
    client = client_of(staff[role])

    assert dialog(canaries.wanjiku) not in client.get(page("customers_customer", canaries.wanjiku)).text
    assert client.post(dialog(canaries.wanjiku), WHY).status_code == 403
    assert not Reveal.objects.filter(customer=canaries.wanjiku).exists()


def test_who_lost_the_right_sees_masks_at_once(
    canaries: World, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.post(dialog(canaries.wanjiku), WHY)

    monkeypatch.setitem(PERMISSIONS, Role.SUPPORT, PERMISSIONS[Role.SUPPORT] - {reveals.PERMISSION})

    assert leaks(support, [page("customers_customer", canaries.wanjiku)]) == []


def test_oversight_sees_who_revealed_whom_and_how_much_of_the_quota_is_used(
    canaries: World, support: Client, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reveals.A_DAY, Role.SENIOR_SUPPORT, 1)
    support.post(dialog(canaries.wanjiku), WHY | {"reason": SAID})
    compliance = client_of(staff[Role.COMPLIANCE])
    listed = reverse("admin:customers_reveal_changelist")

    answer: Any = compliance.get(listed)
    used = [[strip_tags(str(cell)) for cell in row[:5]] for row in answer.context["panel"].rows]
    assert used == [
        ["Senior_support Person", "Senior support", "1", "1", "100 % of 1"],
        ["Support Person", "Support", "1", "1", "2 % of 50"],
    ]
    assert 'badge odd">100 %' in answer.text
    by = {query: compliance.get(listed, {name: query}).context["cl"].result_count for name, query in (
        ("agent", "support"), ("agent", "nobody"), ("because", "identify"), ("because", "case"), ("role", "support"),
        ("q", PHONE), ("q", "otieno"), ("q", "nobody at all"),
    )}  # fmt: skip
    assert by == {"support": 1, "nobody": 0, "identify": 2, "case": 0, PHONE: 1, "otieno": 1, "nobody at all": 0}
    row = Reveal.objects.get(customer=canaries.wanjiku)
    assert facts(compliance, page("customers_reveal", row)) | {"Id": ""} == {
        "Customer": "Wanjiku Kamau", "Shown to": "Support Person", "Why": "To check who is calling",
        "In words": "She says to ring +2547•••264 or 0733 •••264, or to write to w•••@example.com.", "Id": "",
        "From": f"{row.at:%-d %b %Y %H:%M:%S}", "Until": f"{row.until:%-d %b %Y %H:%M:%S}",
    }  # fmt: skip
    customers: Any = compliance.get(page("customers_customer", canaries.wanjiku))
    assert "Support Person" in str([one.rows for one in customers.context["side_panels"] if one.title == "Revealed to"])


def test_the_list_takes_as_many_statements_for_many_as_for_few(
    canaries: World, staff: dict[str, User], count: Count
) -> None:
    client, listed = client_of(staff[Role.COMPLIANCE]), reverse("admin:customers_reveal_changelist")
    few = count(client, listed)

    for position in range(5):
        agent = member(Role.SUPPORT, f"agent{position}")
        for customer in (canaries.wanjiku, canaries.john):
            reveals.reveal(customer, actor=agent, **WHY)

    assert count(client, listed) == few


def test_a_page_costs_one_statement_more_where_it_is_about_somebody_and_lists_none(
    canaries: World, support: Client, count: Count, statements: list[str]
) -> None:
    for url in (page("customers_customer", canaries.wanjiku), page("transactions_transaction", canaries.sent)):
        masked = count(support, url)
        assert len([one for one in statements if "customers_reveal" in one]) == 1
        support.post(dialog(canaries.wanjiku), WHY)
        assert count(support, url) == masked
    count(support, reverse("admin:customers_customer_changelist"))
    assert not [one for one in statements if "customers_reveal" in one]


def test_what_is_personal_is_in_no_line_of_the_log(
    canaries: World, support: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    support.get(reverse("admin:search", query={"q": PHONE}))
    support.get(reverse("admin:customers_customer_changelist"), {"q": EMAIL})
    support.post(dialog(canaries.wanjiku), WHY)
    support.get(page("customers_customer", canaries.wanjiku))

    ours = [record for record in caplog.records if not record.name.startswith("django.db")]
    assert ours
    assert not [(record.name, canary) for record in ours for canary in CANARIES if canary in str(record.__dict__)]
    assert not mail.outbox


def test_a_mask_is_asked_of_pages_alone(canaries: World, rf: Any) -> None:
    """Without a page that says of whom it is there is nothing in the clear, whatever was revealed."""
    request = rf.get("/")

    assert not masking.is_clear(request)
    assert masking.phone(request, PHONE) == contacts.masked_phone(PHONE)
    masking.look_at(request, [])
    assert not masking.is_clear(request)
    assert Event.objects.exists()


# --- Whatever text a row has ----------------------------------------------------------------------------------------

LONG = 200  # from here on a column is for what somebody writes
# Made by the program out of names and receipts, or about rules and books, and of no customer.
NOBODYS = {
    "staff.Approval.title", "staff.Approval.subject_title", "evidence.Check.scope", "reports.IssuedPaper.title",
    "customers.TierLimit.source",
}  # fmt: skip


def texts_of(model: type[Model]) -> list[str]:
    """Columns that hold what somebody wrote."""
    return [
        field.column
        for field in model._meta.concrete_fields
        if type(field) in (CharField, TextField) and not field.choices and (field.max_length or LONG) >= LONG
        if f"{model._meta.label}.{field.name}" not in NOBODYS
    ]


@pytest.mark.django_db(transaction=True)
def test_whatever_text_a_row_has_is_masked_wherever_it_is_shown(canaries: World, staff: dict[str, User]) -> None:
    """A new column for words is in this test by itself."""
    models = [model for model in apps.get_models() if model._meta.managed and texts_of(model)]
    labels = {model._meta.label for model in apps.get_models()}
    with connected_as_owner(), connection.cursor() as cursor:
        for model in models:
            table = model._meta.db_table
            written = ", ".join(
                f"{column} = CASE {column} WHEN '' THEN '' ELSE %(said)s || ' ' || left(md5(random()::text), 8) END"
                for column in texts_of(model)
            )
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(f"UPDATE {table} SET {written}", {"said": SAID})
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    assert len(models) > 15 and not [name for name in NOBODYS if name.rpartition(".")[0] not in labels]
    assert leaks(client_of(staff[Role.ADMINISTRATOR]), addresses()) == []
