"""S16: what moves money, prices or rights is done by who proved within five minutes who they are; the dialog asks."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from reports.models import Export
from staff.models import Session, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, World, code_of
from tests.books import assert_books_balance
from tests.factories import fresh

ASKED = "Prove that it is you"
STEPPED = {
    "transactions_transaction_reverse", "transactions_transaction_adjust", "transactions_feerule_propose",
    "transactions_feerule_propose_next", "customers_tierlimit_propose", "customers_tierlimit_propose_next",
    "staff_approval_approve", "wallets_wallet_lift", "wallets_freeze_lift_this", "staff_user_create",
    "staff_user_set_role", "staff_user_send_password_link", "staff_user_set_email", "staff_user_lift_lockout",
    "staff_user_reset_factor", "staff_user_reactivate",
}  # fmt: skip


@pytest.fixture
def later(staff: dict[str, User], world: World) -> Any:
    """Six minutes after everybody signed in."""
    with time_machine.travel(now() + timedelta(minutes=6), tick=False) as traveller:
        yield traveller


def approval_form(world: World) -> dict[str, str]:
    return {"agreed": world.asked.digest, "comment": "Seen the report"}


@pytest.fixture
def approve(world: World) -> str:
    return reverse("admin:staff_approval_approve", args=[world.asked.pk])


def test_what_asks_for_it() -> None:
    """Every dialog that is marked, by name: one that loses its mark fails here."""
    marked = {
        action.action_name
        for one in site._registry.values()
        for action in (*one._get_base_actions_detail(), *one._get_base_actions_list())
        if getattr(action.method, "step_up", False)
    }

    assert marked >= STEPPED


def test_signing_in_counts_for_five_minutes(checker: Client, world: World, approve: str) -> None:
    assert ASKED not in checker.get(approve).text

    checker.post(approve, approval_form(world))

    assert fresh(world.asked).state == "approved"


def test_afterwards_the_dialog_asks_and_goes_on_with_what_was_typed(
    checker: Client, world: World, approve: str, later: Any, staff: dict[str, User]
) -> None:
    assert ASKED in checker.get(approve).text
    unproved = checker.post(approve, approval_form(world))
    assert ASKED in unproved.text
    assert "Seen the report" in unproved.text, "nothing is typed twice"
    assert fresh(world.asked).state == "open"

    checker.post(approve, approval_form(world) | {"proof_code": code_of("finance_checker")})

    assert fresh(world.asked).state == "approved"
    record = AuditRecord.objects.get(action="step_up")
    assert record.actor == staff[Role.FINANCE_CHECKER].principal
    assert_books_balance()


def test_a_wrong_proof_does_nothing_and_says_so(checker: Client, world: World, approve: str, later: Any) -> None:
    for wrong in ("000000", "abcd-efgh"):
        answer = checker.post(approve, approval_form(world) | {"proof_code": wrong})
        assert "Wrong code" in answer.text

    assert fresh(world.asked).state == "open"
    assert AuditRecord.objects.filter(action="step_up_failed").count() == 2


def test_who_forgets_the_code_is_reminded_and_not_locked_out(
    checker: Client, world: World, approve: str, later: Any
) -> None:
    """More often than there are guesses: nothing sent is no guess. A password is nothing that proves, either."""
    assert re.search(r'name="proof_code"[^>]* required', checker.get(approve).text)
    for sent in ({}, {"proof_code": ""}, {"proof_code": "  "}, {"proof_passkey": ""}, {"proof_password": PASSWORD}) * 2:
        answer = checker.post(approve, approval_form(world) | sent)
        assert "Type the code of your app" in answer.text
        assert "Seen the report" in answer.text
    assert not AuditRecord.objects.filter(action__in=["step_up_failed", "locked_out"]).exists()
    assert fresh(world.asked).state == "open"

    checker.post(approve, approval_form(world) | {"proof_code": code_of("finance_checker")})

    assert fresh(world.asked).state == "approved"


def test_guesses_at_it_end(checker: Client, world: World, approve: str, later: Any) -> None:
    for _ in range(5):
        checker.post(approve, approval_form(world) | {"proof_code": "wrong"})

    answer = checker.post(approve, approval_form(world) | {"proof_code": code_of("finance_checker")})

    assert "Too many attempts" in answer.text
    assert fresh(world.asked).state == "open"


def test_without_counting_nothing_is_proved(
    checker: Client, world: World, approve: str, later: Any, valkey_down: None
) -> None:
    answer = checker.post(approve, approval_form(world) | {"proof_code": code_of("finance_checker")})

    assert "not possible at the moment" in answer.text
    assert fresh(world.asked).state == "open"


def test_a_proof_lasts_five_minutes_more_and_changes_the_key(
    checker: Client, world: World, approve: str, later: Any
) -> None:
    before = Session.objects.get(user__role=Role.FINANCE_CHECKER)

    checker.post(approve, {"agreed": "x", "proof_code": code_of("finance_checker")})

    after = Session.objects.get(user__role=Role.FINANCE_CHECKER)
    assert before.pk != after.pk, "a new key"
    assert (after.started_at, after.proved_at) == (before.started_at, now())
    assert ASKED not in checker.get(approve).text
    later.shift(timedelta(minutes=5, seconds=1))
    assert ASKED in checker.get(approve).text


@pytest.mark.parametrize("action", sorted(STEPPED))
def test_no_marked_dialog_does_anything_unproved(
    administrator: Client, finance: Client, world: World, staff: dict[str, User], later: Any, action: str
) -> None:
    rows: dict[str, Any] = {
        "transaction": world.sent, "approval": world.asked, "wallet": world.frozen,
        "freeze": world.frozen.freezes.first(), "user": staff[Role.SUPPORT],
    }  # fmt: skip
    name = action.split("_")[1]
    url = next(url for args in ([], [getattr(rows.get(name), "pk", None) or 1]) if (url := found(action, args)))
    client = finance if action.endswith("_adjust") else administrator
    if action.endswith("reactivate"):
        User.objects.filter(pk=staff[Role.SUPPORT].pk).update(is_active=False)
    if action.endswith("reset_factor"):
        code_of("support")
    if action.endswith("lift_lockout"):
        for _ in range(5):
            Client().post("/admin/login/", {"username": "support", "password": "wrong"})
    acts = AuditRecord.objects.filter(look=False).exclude(action__in=["step_up_failed", "sign_in_failed"])
    before = acts.count()

    for answer in (client.get(url), client.post(url, {"reason": "because", "role": "auditor"})):
        assert answer.status_code == 200
        assert ASKED in answer.text

    assert acts.count() == before


def found(action: str, args: list[Any]) -> str:
    from django.urls import NoReverseMatch

    try:
        return reverse(f"admin:{action}", args=args)
    except NoReverseMatch:
        return ""


def test_a_file_with_customers_in_it_asks_first(finance: Client, world: World, later: Any) -> None:
    export = Export.objects.get()
    url = reverse("admin:reports_export_download", args=[export.pk])

    asked = finance.get(url)
    assert asked.headers["Location"] == f"/admin/prove/?next={url.replace('/', '%2F')}"
    wrong = finance.post(asked.headers["Location"], {"next": url, "proof_code": "wrong"})
    assert ASKED in wrong.text and wrong.status_code == 200
    right = finance.post(asked.headers["Location"], {"next": url, "proof_code": code_of("finance")})

    assert right.headers["Location"] == url
    assert "prove" not in finance.get(url).headers["Location"], "there is no file yet, and that is said next"


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_one_is_not_sent_elsewhere_afterwards(finance: Client, onward: str) -> None:
    answer = finance.get(reverse("admin:staff_prove"), {"next": onward})

    assert answer.headers["Location"] == "/admin/"
