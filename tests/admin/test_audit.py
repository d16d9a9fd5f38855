"""G56, A14: whatever staff see or do leaves a row: who, in which role, what, to what, why, whence, which request."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse

from core import audit
from core.admin.places import places
from core.models import AuditRecord
from customers.services import suspend_customer
from staff.models import User
from staff.roles import Role
from staff.services import deactivate
from tests.admin.conftest import World, client_of, sign_in
from tests.factories import fresh

TRAIL = "admin:core_auditrecord_changelist"


def last() -> AuditRecord:
    record = AuditRecord.objects.order_by("-id").first()
    assert record is not None
    return record


def of_staff(record: AuditRecord, user: User, request_id: str) -> bool:
    """Every field that tells who, how and from where."""
    told = (record.actor, record.role, record.ip, record.request_id, record.door)
    return told == (user.principal, user.role, "127.0.0.1", request_id, "admin")


def look(client: Client, url: str, request_id: str, **query: str) -> Any:
    return client.get(url, query, headers={"X-Request-ID": request_id})


@pytest.fixture
def ada(staff: dict[str, User]) -> User:
    return staff[Role.ADMINISTRATOR]


def test_every_list_and_every_page_leaves_a_row(administrator: Client, ada: User, world: World) -> None:
    for number, model in enumerate(admin.site._registry):
        label, base = model._meta.label_lower, f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._base_manager.first()

        assert look(administrator, reverse(f"{base}_changelist"), f"request-list-{number}").status_code == 200
        listed = last()
        assert (
            look(administrator, reverse(f"{base}_change", args=[row.pk]), f"request-page-{number}").status_code == 200
        )
        viewed = last()

        assert (listed.action, listed.subject_type, listed.look) == ("list", label, True)
        assert of_staff(listed, ada, f"request-list-{number}")
        assert (viewed.action, viewed.subject_type, viewed.subject_id) == ("view", label, str(row.pk))
        assert of_staff(viewed, ada, f"request-page-{number}")


def test_no_other_method_looks_unseen(administrator: Client, world: World) -> None:
    for name in ("index", "search"):
        for method in ("post", "put", "options", "patch", "delete"):
            assert getattr(administrator, method)(reverse(f"admin:{name}") + "?q=wanj").status_code == 405
    url = reverse("admin:customers_customer_suspend", args=[world.john.pk])
    for method in ("post", "options"):
        seen = AuditRecord.objects.filter(look=True).count()
        assert getattr(administrator, method)(url).status_code == 200
        assert AuditRecord.objects.filter(look=True).count() == seen + 1


def test_every_place_and_every_dialog_leaves_a_row(administrator: Client, ada: User, world: World) -> None:
    for number, one in enumerate(place for place in places() if "<" not in place.route):
        answer = look(administrator, reverse(f"admin:{one.name}"), f"request-place-{number}")
        if answer.status_code == 200:
            assert (last().action, last().subject_type) == ("view", f"page.{one.name}")
            assert of_staff(last(), ada, f"request-place-{number}")
    for model, one in admin.site._registry.items():
        row = model._base_manager.first()
        for action in (*one._get_base_actions_detail(), *one._get_base_actions_list()):
            args = [row.pk] if action in one._get_base_actions_detail() else []
            answer = look(administrator, reverse(f"admin:{action.action_name}", args=args), "request-dialog")
            if answer.status_code in (200, 403):
                expected = "open" if answer.status_code == 200 else "refused"
                assert (last().action, last().subject_type) == (expected, model._meta.label_lower), action.action_name
                assert of_staff(last(), ada, "request-dialog")


def test_of_a_list_it_says_how_it_was_cut(administrator: Client, world: World) -> None:
    administrator.get(reverse("admin:transactions_transaction_changelist"), {"kind": "transfer", "from": "2026-01-01"})

    assert last().after == {"kind": "transfer", "from": "2026-01-01"}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+254 712 345 678", "+254 712 345 678"),
        ("+254712345678", "+2…78"),
        ("0712345678", "07…78"),
        ("wanjiku@example.com", "wa…om"),
        ("Wanjiku Kamau", "Wa…ku Ka…au"),
        ("7K3M9X0H2Q", "7K3M9X0H2Q"),
        ("0192f3a1-7c3e-7d2a-9b1c-0123456789ab", "0192f3a1-7c3e-7d2a-9b1c-0123456789ab"),
    ],
)
def test_what_was_searched_for_names_nobody(support: Client, world: World, typed: str, kept: str) -> None:
    support.get(reverse("admin:search"), {"q": typed})

    record = last()
    assert (record.action, record.look) == ("search", True)
    assert record.after is not None and record.after["digest"] == audit.searched(typed.upper())["digest"]
    if " " not in typed or typed[0] != "+":
        assert record.after["q"] == kept
    assert "wanjiku@" not in str(record.after)


def test_a_look_stays_small_whatever_the_address_says(administrator: Client, world: World) -> None:
    """They are sealed and kept for good. Bytes of the row, without indexes (docs/operator.md, What grows)."""
    for url in (
        reverse("admin:index"),
        reverse("admin:transactions_transaction_change", args=[world.sent.pk]),
        reverse("admin:transactions_transaction_changelist") + "?kind=transfer&state=completed&from=2026-01-01",
        reverse("admin:search") + "?q=%2B254712345678",
    ):
        administrator.get(url)
    looks = "FROM core_auditrecord r WHERE look"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT avg(pg_column_size(r.*)), count(*) {looks}")
        usual, count = cursor.fetchone()
    assert count == 4
    assert usual < 300

    administrator.get(reverse("admin:index") + "?" + "&".join(f"{'n' * 300}{i}={'v' * 300}" for i in range(500)))
    administrator.get(reverse("admin:index") + "?" + "&".join(f"n{i}={'v' * 300}" for i in range(500)))

    assert last().after == {f"n{i}": "v" * 100 for i in range(12)} | {"…": "488 more"}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(length(after::text)) {looks}")
        (longest,) = cursor.fetchone()
    assert longest < 2_000


def test_who_is_refused_is_on_record(support: Client, staff: dict[str, User], world: World) -> None:
    for url in (reverse("admin:ledger_account_changelist"), reverse("admin:staff_user_create")):
        assert look(support, url, "request-refused").status_code == 403
        assert last().action == "refused"
        assert of_staff(last(), staff[Role.SUPPORT], "request-refused")
    assert support.post(reverse("admin:staff_user_create"), {"username": "x"}).status_code == 403
    assert (last().action, last().after) == ("refused", {"dialog": "create"})


def test_without_a_row_nothing_is_shown(support: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    def fails(**_: Any) -> None:
        raise Broken

    monkeypatch.setattr("core.audit.looked", fails)

    with pytest.raises(Broken):
        support.get(reverse("admin:customers_customer_change", args=[world.john.pk]))


def test_a_page_costs_one_insert_more(support: Client, world: World, statements: list[str]) -> None:
    url = reverse("admin:customers_customer_change", args=[world.john.pk])
    support.get(url)
    statements.clear()

    support.get(url)

    assert len([one for one in statements if one.startswith("INSERT")]) == 1
    assert not [one for one in statements if one.startswith(("UPDATE", "DELETE"))]


def test_what_the_browser_asks_for_by_itself_is_no_look(finance: Client, world: World) -> None:
    from reports.models import Export

    before = AuditRecord.objects.count()

    finance.get(reverse("admin:reports_export_progress", args=[Export.objects.get().pk]), {"state": "waiting"})

    assert AuditRecord.objects.count() == before


# --- Acts ------------------------------------------------------------------------------------------------------------


def test_the_trail_leads_to_what_an_act_was_done_to(administrator: Client, support: Client, world: World) -> None:
    finance = User.objects.get(username="finance")
    suspend_customer(world.john, actor=User.objects.get(username="support"), reason="because")
    deactivate(finance, actor=User.objects.get(username="administrator"), reason="left")
    to_john = reverse("admin:customers_customer_change", args=[world.john.pk])
    to_finance = reverse("admin:staff_user_change", args=[finance.pk])

    shown = administrator.get(reverse(TRAIL)).text
    assert f'href="{to_john}">customer {str(world.john.pk)[:8]}…</a>' in shown
    assert f'href="{to_finance}">Finance Person</a>' in shown
    record = AuditRecord.objects.get(action="suspend", subject_id=str(world.john.pk))
    page = support.get(reverse("admin:core_auditrecord_change", args=[record.pk])).text
    assert to_john in page and "&#x27;" not in page
    assert '<span class="muted">State:</span> suspended' in page


def acts(world: World) -> dict[str, tuple[str, list[Any], dict[str, str], str]]:
    """An act of each kind: address, arguments, form, and the action that the trail calls it."""
    reverse_form = {
        "amount": "1", "reason_code": "fraud", "note": "case 8", "key": str(uuid4()), "step": "confirm",
    }  # fmt: skip
    return {
        "suspend": ("customers_customer_suspend", [world.john.pk], {"reason": "because"}, "suspend"),
        "freeze": ("wallets_wallet_freeze", [world.johns.pk], {}, "freeze_wallet"),
        "reverse": ("transactions_transaction_reverse", [world.sent.pk], reverse_form, "reverse"),
        "end access": ("staff_user_deactivate", [User.objects.get(username="finance").pk], {}, "deactivate_staff"),
        "new password": (
            "staff_user_send_password_link", [User.objects.get(username="auditor").pk], {}, "send_password_link",
        ),
        "ask for a role": (
            "staff_user_set_role", [User.objects.get(username="auditor").pk], {"role": "support"}, "request_approval",
        ),
        "close a message": ("transactions_railmessage_close", [world.odd.pk], {}, "close"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["suspend", "end access", "new password", "ask for a role", "close a message"])
def test_each_act_says_who_in_which_role_why_and_what_changed(
    administrator: Client, ada: User, world: World, name: str
) -> None:
    action, args, form, _ = acts(world)[name]
    before = set(AuditRecord.objects.values_list("pk", flat=True))

    administrator.post(
        reverse(f"admin:{action}", args=args), {"reason": "because", "note": "because"} | form,
        headers={"X-Request-ID": "request-of-this-act"},
    )  # fmt: skip

    made = [one for one in AuditRecord.objects.filter(look=False) if one.pk not in before]
    assert made, "an act without a row"
    for record in made:
        assert of_staff(record, ada, "request-of-this-act"), record
        assert record.reason == "because"


def test_signing_in_and_failing_to_is_on_record(staff: dict[str, User], client: Client) -> None:
    how: dict[str, Any] = {"headers": {"X-Request-ID": "request-signin"}}
    client.post("/admin/login/", {"username": "support", "password": "wrong"}, **how)
    sign_in(client=client, **how)
    for action in ("sign_in_failed", "sign_in"):
        record = AuditRecord.objects.get(action=action)
        assert (record.subject_type, record.subject_id) == ("staff.user", str(staff[Role.SUPPORT].pk))
        assert (record.ip, record.request_id, record.door) == ("127.0.0.1", "request-signin", "admin")
        assert record.role == {"sign_in": "support", "sign_in_failed": "unknown"}[action]


def test_the_role_is_the_one_of_that_day(staff: dict[str, User], support: Client, world: World) -> None:
    support.get(reverse("admin:customers_customer_changelist"))
    User.objects.filter(pk=staff[Role.SUPPORT].pk).update(role=Role.AUDITOR)

    assert fresh(last()).role == Role.SUPPORT


# --- The page of the trail -------------------------------------------------------------------------------------------


def found(client: Client, **query: str) -> list[AuditRecord]:
    return list(client.get(reverse(TRAIL), query).context["cl"].result_list)


def test_the_trail_is_searched_by_who_what_whom_why_when_and_request(
    administrator: Client, support: Client, ada: User, staff: dict[str, User], world: World
) -> None:
    administrator.post(
        reverse("admin:staff_user_deactivate", args=[staff[Role.FINANCE].pk]), {"reason": "left for the lake house"},
        headers={"X-Request-ID": "request-12345"},
    )  # fmt: skip
    (act,) = AuditRecord.objects.filter(action="deactivate_staff")
    support.get(reverse("admin:customers_customer_change", args=[world.john.pk]))

    for query in (
        {"actor": "administrator", "action": "deactivate staff"},
        {"actor": ada.principal, "subject": str(staff[Role.FINANCE].pk)},
        {"request": "request-12345"},
        {"q": "lake house"},
        {"q": '"the lake"', "from": f"{act.at:%Y-%m-%d}", "to": f"{act.at:%Y-%m-%d}"},
    ):
        assert found(administrator, **query) == [act], query
    for query in ({"q": "sea"}, {"request": "request-1"}, {"action": "deactivate"}, {"q": "lake", "to": "2020-01-01"}):
        assert found(administrator, **query) == [], query
    (seen,) = found(administrator, look="looks", actor="support", subject=str(world.john.pk))
    assert (seen.action, seen.role) == ("view", "support")
    assert seen not in found(administrator, actor="support")
    assert seen in found(administrator, actor="support", look="all")


def test_what_colleagues_look_at_is_for_who_oversees(support: Client, staff: dict[str, User], world: World) -> None:
    client_of(staff[Role.FINANCE]).get(reverse("admin:customers_customer_change", args=[world.john.pk]))

    assert found(support, look="looks") == []
    assert found(client_of(staff[Role.AUDITOR]), look="looks") != []
    view = AuditRecord.objects.filter(look=True).first()
    assert view is not None
    assert support.get(reverse("admin:core_auditrecord_change", args=[view.pk])).status_code == 404


@pytest.mark.parametrize("odd", ["\x00", "a\x00b", "x" * 5000, "' OR 1=1 --", "%", "é…", '"', "-", "staff:", "|&!"])
def test_whatever_is_typed_is_only_text(administrator: Client, world: World, odd: str) -> None:
    for name in ("q", "actor", "subject", "action", "request"):
        assert administrator.get(reverse(TRAIL), {name: odd}).status_code in (200, 302), name


def test_the_trail_takes_as_many_statements_after_a_busy_day(
    administrator: Client, ada: User, world: World, count: Callable[[Client, str], int]
) -> None:
    few = count(administrator, reverse(TRAIL) + "?look=all")
    for number in range(60):
        audit.looked(actor=ada, action="view", subject_type="wallets.wallet", subject_id=str(number), at={})

    assert count(administrator, reverse(TRAIL) + "?look=all") == few
