"""G47: whose session it is, where, and when it is over: by itself, by a click of its owner, by an administrator's."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.admin import site
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.timezone import now

from core.admin.places import places
from core.models import AuditRecord
from staff import services, tasks
from staff.errors import MayNotManage, NotYourself, NotYourSession, ReasonMissing
from staff.models import Session, User
from staff.roles import Role
from staff.sessions import digest
from tests.admin.conftest import PASSWORD, World, client_of, sign_in

LOGIN = "/admin/login/"
HOME = "/admin/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
LIST = "admin:staff_session_changelist"


def signed_in(username: str = "support", **headers: str) -> Client:
    return sign_in(username, Client(headers=headers))


def key_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def listed(client: Client, query: str = "") -> list[Session]:
    return list(client.get(reverse(LIST) + query).context["cl"].result_list)


def test_the_table_has_a_digest_of_what_the_browser_has(staff: dict[str, User]) -> None:
    client = signed_in(**{"user-agent": FIREFOX})

    session = Session.objects.get()
    assert session.pk == digest(key_of(client)) != key_of(client)
    assert (session.user, session.device, session.ip) == (staff[Role.SUPPORT], "Firefox on Linux", "127.0.0.1")


@pytest.mark.parametrize(("minutes", "status"), [(14, 200), (16, 302)])
def test_what_is_not_used_for_a_quarter_of_an_hour_is_over(staff: dict[str, User], minutes: int, status: int) -> None:
    client = signed_in()

    with time_machine.travel(now() + timedelta(minutes=minutes), tick=False):
        assert client.get(HOME).status_code == status

    ended = AuditRecord.objects.filter(action="session_ended", subject_id=str(staff[Role.SUPPORT].pk))
    assert ended.exists() == (status == 302)
    assert Session.objects.exists() == (status == 200)


def test_what_is_used_all_day_is_over_after_eight_hours(staff: dict[str, User]) -> None:
    client, start = signed_in(), now()

    for minutes in range(10, 8 * 60, 10):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            assert client.get(HOME).status_code == 200
    with time_machine.travel(start + timedelta(hours=8, minutes=1), tick=False):
        assert client.get(HOME).status_code == 302


def test_one_write_a_minute_says_when_it_was_used_last(staff: dict[str, User], statements: list[str]) -> None:
    client = signed_in()
    client.get(HOME)
    statements.clear()
    client.get(HOME)
    assert not [one for one in statements if "UPDATE" in one and "staff_session" in one]

    with time_machine.travel(now() + timedelta(seconds=61), tick=False):
        client.get(HOME)
        assert Session.objects.get().used_at == now()


def test_a_key_from_before_signing_in_opens_nothing_afterwards(staff: dict[str, User]) -> None:
    """Fixation: an attacker's key, or an earlier session of one's own, is not taken over."""
    victim = Client()
    victim.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    victim.post(LOGIN, {"username": "support", "password": PASSWORD})
    between = key_of(victim)
    sign_in(client=victim)
    first = key_of(victim)
    assert len({"a" * 32, between, first}) == 3

    sign_in(client=victim)

    assert key_of(victim) != first
    thief = Client()
    for key in ("a" * 32, between, first):
        thief.cookies[settings.SESSION_COOKIE_NAME] = key
        assert thief.get(HOME).status_code == 302
    assert victim.get(HOME).status_code == 200


def test_what_the_browser_has_never_reached_the_database(staff: dict[str, User]) -> None:
    """Who reads the table can do nothing with it: the digest is no key."""
    signed_in()
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = Session.objects.get().pk

    assert thief.get(HOME).status_code == 302


@override_settings(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_NAME="__Host-sessionid")
def test_over_https_cookies_are_for_this_host_alone(staff: dict[str, User]) -> None:
    answer = Client().post(LOGIN, {"username": "support", "password": PASSWORD}, secure=True)

    cookie = answer.cookies["__Host-sessionid"]
    assert cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" and not cookie["domain"]
    assert cookie["samesite"] == "Strict"


def test_without_a_token_no_post_is_taken(world: World, staff: dict[str, User]) -> None:
    """Every address of the back office that takes a POST, asked by an administrator whose browser was tricked."""
    client = client_of(staff[Role.ADMINISTRATOR], enforce_csrf_checks=True)
    tried = 0
    for model, one in site._registry.items():
        row = model._base_manager.first()
        for action in (*one._get_base_actions_detail(), *one._get_base_actions_list()):
            detail = action in one._get_base_actions_detail()
            url = reverse(f"admin:{action.action_name}", args=[row.pk] if detail else [])
            assert client.post(url, {"reason": "x"}).status_code == 403, url
            tried += 1
    acting = [reverse(f"admin:{one.name}") for one in places() if one.acts and "<" not in one.route]
    doors = ["/admin/login/", "/admin/logout/", "/admin/password_change/", "/admin/second-factor/", "/admin/enrol/"]
    for url in (*doors, *acting, "/admin/prove/", "/admin/my-second-factor/", "/admin/new-password/MQ/x/"):
        assert client.post(url, {}).status_code == 403, url

    assert tried > 15
    assert client.get(HOME).status_code == 200, "and they are still signed in"


def test_ones_own_sessions_are_listed_and_ended(staff: dict[str, User]) -> None:
    here, there = signed_in(), signed_in(**{"user-agent": FIREFOX})
    signed_in("finance")

    mine = listed(here)
    assert {one.device for one in mine} == {"Another browser", "Firefox on Linux"}
    assert [one.is_this for one in mine].count(True) == 1
    other = next(one for one in mine if not one.is_this)
    answer = here.post(reverse("admin:staff_session_end", args=[other.pk]), {"reason": ""}, follow=True)

    assert "Signed out there." in answer.text
    assert there.get(HOME).status_code == 302
    assert here.get(HOME).status_code == 200
    record = AuditRecord.objects.get(action="end_session")
    assert (record.actor, record.before["device"]) == (staff[Role.SUPPORT].principal, "Firefox on Linux")


def test_the_one_where_one_sits_is_logged_out_and_not_ended(staff: dict[str, User]) -> None:
    here = signed_in()
    (mine,) = listed(here)

    answer = here.post(reverse("admin:staff_session_end", args=[mine.pk]), {"reason": "x"})

    assert "Log out instead" in answer.text
    assert here.get(HOME).status_code == 200


def test_administrators_see_and_end_anybodys_with_a_reason(staff: dict[str, User], administrator: Client) -> None:
    theirs = signed_in("finance")
    session = Session.objects.get(user=staff[Role.FINANCE])
    url = reverse("admin:staff_session_end", args=[session.pk])

    assert session in listed(administrator, "?whose=others")
    assert "Say why" in administrator.post(url, {"reason": " "}).text
    administrator.post(url, {"reason": "laptop stolen"})

    assert theirs.get(HOME).status_code == 302
    assert AuditRecord.objects.get(action="end_session").reason == "laptop stolen"


def test_a_colleagues_session_is_none_of_ones_business(staff: dict[str, User], support: Client) -> None:
    theirs = signed_in("finance")
    session = Session.objects.get(user=staff[Role.FINANCE])

    assert session not in listed(support)
    for door in ("change", "end"):
        assert support.get(reverse(f"admin:staff_session_{door}", args=[session.pk])).status_code == 404
    assert support.post(reverse("admin:staff_session_end", args=[session.pk]), {"reason": "x"}).status_code == 404
    auditor = client_of(staff[Role.AUDITOR])
    answer = auditor.post(reverse("admin:staff_session_end", args=[session.pk]), {"reason": "x"})
    assert "Only an administrator" in answer.text
    assert theirs.get(HOME).status_code == 200
    with pytest.raises(NotYourSession):
        services.end_session(session, reason="x", actor=staff[Role.SUPPORT])
    with pytest.raises(ReasonMissing):
        services.end_session(session, reason=" ", actor=staff[Role.ADMINISTRATOR])


@pytest.mark.parametrize(
    "act",
    [
        lambda user: services.deactivate(user, reason="left", actor=None),
        lambda user: services.set_role(user, role="auditor", reason="moves", actor=None),
        lambda user: services.reset_password(user, reason="lost"),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    ],
    ids=["access ended", "another role", "new password", "switched off in the database"],
)
def test_whoever_changes_is_out_at_the_next_request(staff: dict[str, User], act: Any) -> None:
    client = signed_in()
    assert client.get(HOME).status_code == 200

    act(staff[Role.SUPPORT])

    assert client.get(HOME).status_code == 302


def test_what_is_over_is_dropped_and_the_rest_stays(staff: dict[str, User]) -> None:
    signed_in()
    old = Session.objects.get()
    Session.objects.create(
        session_key="0" * 64, session_data="", expire_date=now() + timedelta(hours=1), user=old.user,
        started_at=now() - timedelta(hours=9), used_at=now(),
    )  # fmt: skip
    assert len(listed(signed_in("administrator"))) == 2, "what is over is not shown"

    assert tasks.clear_sessions() == 1
    assert not Session.objects.filter(session_key="0" * 64).exists()


def test_a_lockout_is_seen_and_lifted_with_a_reason(
    staff: dict[str, User], administrator: Client, client: Client
) -> None:
    for _ in range(5):
        client.post(LOGIN, {"username": "support", "password": "wrong"})
    page = reverse("admin:staff_user_change", args=[staff[Role.SUPPORT].pk])
    lift = reverse("admin:staff_user_lift_lockout", args=[staff[Role.SUPPORT].pk])
    assert "Locked for 15 min" in administrator.get(page).text
    assert "Locked for 15 min" in administrator.get(reverse("admin:staff_user_changelist")).text

    administrator.post(lift, {"reason": "it was her, after a holiday"})

    assert "Locked for" not in administrator.get(page).text
    assert "not locked out" in administrator.get(lift).text
    assert client.post(LOGIN, {"username": "support", "password": PASSWORD}).status_code == 302
    assert AuditRecord.objects.get(action="lift_lockout").reason == "it was her, after a holiday"


def test_nobody_lifts_their_own_and_only_administrators_do(staff: dict[str, User]) -> None:
    with pytest.raises(NotYourself):
        services.lift_lockout(staff[Role.ADMINISTRATOR], reason="x", actor=staff[Role.ADMINISTRATOR])
    with pytest.raises(MayNotManage):
        services.lift_lockout(staff[Role.FINANCE], reason="x", actor=staff[Role.SUPPORT])


def test_pages_of_staff_work_while_nothing_can_be_counted(
    staff: dict[str, User], administrator: Client, valkey_down: None
) -> None:
    assert administrator.get(reverse("admin:staff_user_changelist")).status_code == 200
