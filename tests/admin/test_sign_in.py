"""Getting in: counted before it is looked at, recorded either way, the same answer for every reason why not."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from core.hashers import Argon2id
from core.models import AuditRecord
from staff import services
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, client_of, code_of, member

LOGIN = "/admin/login/"


def attempt(client: Client, username: str = "support", password: str = PASSWORD) -> int:
    return client.post(LOGIN, {"username": username, "password": password}).status_code


def test_password_and_code_open_the_dashboard_and_are_recorded(client: Client, staff: dict[str, User]) -> None:
    code = code_of("support")
    client.post(LOGIN, {"username": "support", "password": PASSWORD})

    answer = client.post("/admin/second-factor/", {"proof_code": code})

    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("admin:index"))
    record = AuditRecord.objects.get(action="sign_in")
    assert (record.actor, record.ip) == (staff[Role.SUPPORT].principal, "127.0.0.1")
    assert staff[Role.SUPPORT].last_login is None
    assert User.objects.get(pk=staff[Role.SUPPORT].pk).last_login is not None


def test_every_wrong_way_gets_the_same_answer(client: Client, staff: dict[str, User]) -> None:
    User.objects.filter(username="finance").update(is_active=False)

    texts = set()
    for username, password in (
        ("support", "wrong"),
        ("nobody", PASSWORD),
        ("finance", PASSWORD),
        ("SUPPORT", PASSWORD),
    ):
        answer = client.post(LOGIN, {"username": username, "password": password})
        assert answer.status_code == 200
        texts.add(tuple(answer.context["form"].non_field_errors()))

    assert texts == {("Wrong user name or password",)}
    assert AuditRecord.objects.filter(action="sign_in_failed").count() == 4


def test_what_was_typed_as_a_name_is_not_kept(client: Client, staff: dict[str, User]) -> None:
    attempt(client, username=PASSWORD)

    record = AuditRecord.objects.get(action="sign_in_failed")
    assert PASSWORD not in str(vars(record))


def test_guesses_at_one_account_end_and_a_right_one_before_that_starts_them_anew(
    client: Client, staff: dict[str, User], settings: object
) -> None:
    for _ in range(4):
        attempt(client, password="wrong")
    assert attempt(client) == 302

    for _ in range(5):
        attempt(client, password="wrong")
    answer = client.post(LOGIN, {"username": "support", "password": PASSWORD})

    assert answer.status_code == 200
    assert "Too many attempts" in answer.text
    assert attempt(client, username="finance") == 302


def test_without_counting_nobody_gets_in(client: Client, staff: dict[str, User], valkey_down: None) -> None:
    answer = client.post(LOGIN, {"username": "support", "password": PASSWORD})

    assert answer.status_code == 200
    assert "Signing in is not possible at the moment" in answer.text


def test_signing_out_is_recorded_and_only_by_post(support: Client, staff: dict[str, User]) -> None:
    assert support.get("/admin/logout/").status_code == 405
    assert support.get("/admin/").status_code == 200
    support.post("/admin/logout/")

    assert support.get("/admin/").status_code == 302
    assert AuditRecord.objects.filter(action="sign_out", actor=staff[Role.SUPPORT].principal).exists()


def test_nobody_is_sent_elsewhere_after_signing_in(client: Client, staff: dict[str, User]) -> None:
    answer = client.post(
        LOGIN + "?next=https://evil.example/",
        {"username": "support", "password": PASSWORD, "next": "https://evil.example/"},
    )
    onward = client.post("/admin/second-factor/", {"proof_code": code_of("support")})

    assert answer.headers["Location"] == "/admin/second-factor/"
    assert onward.headers["Location"] == "/admin/"


def test_one_changes_ones_own_password_with_the_old_one(support: Client, staff: dict[str, User]) -> None:
    other = client_of(staff[Role.SUPPORT])
    new = "another long enough sentence"

    refused = support.post(
        "/admin/password_change/", {"old_password": "wrong", "new_password1": new, "new_password2": new}
    )
    short = support.post(
        "/admin/password_change/", {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    )
    done = support.post(
        "/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    )

    assert refused.status_code == short.status_code == 200
    assert done.status_code == 302
    assert support.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302, "the other session ended"
    assert AuditRecord.objects.filter(action="change_password").count() == 1


def test_guesses_at_ones_own_password_are_counted_and_on_record(support: Client, settings: Any) -> None:
    """Whoever sits down at a colleague's unlocked desk guesses no more often than at the door."""
    settings.LOGIN_GUESSES = 3
    form = {"new_password1": "seven wild geese over", "new_password2": "seven wild geese over"}
    for _ in range(3):
        answer = support.post(reverse("admin:password_change"), form | {"old_password": "wrong"})
        assert "entered incorrectly" in answer.text

    answer = support.post(reverse("admin:password_change"), form | {"old_password": PASSWORD})

    assert "Too many attempts" in answer.text
    assert User.objects.get(username="support").check_password(PASSWORD)
    made = AuditRecord.objects.filter(look=False).order_by("id").values_list("action", flat=True)
    assert list(made)[-4:] == ["sign_in_failed"] * 3 + ["locked_out"]


@pytest.mark.parametrize("username", ["support", "nobody"])
def test_known_and_unknown_names_cost_the_same_hash(
    staff: dict[str, User], username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    encode, verify = Argon2id.encode, Argon2id.verify
    monkeypatch.setattr(Argon2id, "encode", lambda *a, **k: hashed.append(1) or encode(*a, **k))
    monkeypatch.setattr(Argon2id, "verify", lambda *a, **k: hashed.append(1) or verify(*a, **k))

    with pytest.raises(services.WrongPassword):
        services.check_password(None, username, "wrong")

    assert len(hashed) == 1


def test_sessions_end_with_the_browser_and_cookies_are_out_of_reach(client: Client, staff: dict[str, User]) -> None:
    answer = client.post(LOGIN, {"username": "support", "password": PASSWORD})

    cookie = answer.cookies["sessionid"] if "sessionid" in answer.cookies else answer.cookies["__Host-sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert not cookie["max-age"]


def test_pages_that_are_not_there_or_not_for_one_say_so(support: Client, client: Client) -> None:
    for url, status, said in (
        ("/admin/nowhere/", 404, "No such page"),
        ("/admin/staff/user/", 403, "Not for your role"),
    ):
        answer = support.get(url)
        assert answer.status_code == status and said in answer.text
        assert 'id="finder"' in answer.text and "Transactions" in answer.text, "with search and menu"
    assert client.get("/admin").headers["Location"] == "/admin/"


def test_a_staff_page_asks_for_nothing_but_sign_in(client: Client, db: None) -> None:
    member(Role.SUPPORT)

    for url in ("/admin/", "/admin/search/?q=x", "/admin/customers/customer/", "/admin/staff/user/create/"):
        answer = client.get(url)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(LOGIN)
