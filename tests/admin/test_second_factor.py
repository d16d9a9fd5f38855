"""S4, S5: nobody of staff sees a page with a password alone; codes work once, are counted, and are sealed at rest."""

import re
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
import time_machine
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from staff import second_factor, services
from staff.errors import ApprovalNeeded, FactorGone, LastFactor, NotYourself
from staff.models import Approval, Passkey, RecoveryCode, Session, Totp, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, SECRET, World, client_of
from tests.factories import fresh

LOGIN, SECOND, ENROL = "/admin/login/", "/admin/second-factor/", "/admin/enrol/"


@pytest.fixture
def clock() -> Iterator[Any]:
    """A time that stands still until it is moved: codes change every thirty seconds."""
    with time_machine.travel(now(), tick=False) as moving:
        yield moving


def code(secret: bytes = SECRET, *, steps: int = 0) -> str:
    at = now().timestamp() + steps * second_factor.STEP_SECONDS
    return TOTP(secret, 6, SHA1(), 30).generate(int(at)).decode()


def enrolled(user: User) -> list[str]:
    """With an app, and recovery codes, which are returned; no code of the app is spent."""
    Totp.objects.create(user=user, secret=second_factor.seal(SECRET, user), last_step=0)
    return second_factor.new_recovery_codes(user)


@pytest.fixture
def codes(staff: dict[str, User], clock: Any) -> list[str]:
    return enrolled(staff[Role.SUPPORT])


def after_password(username: str = "support") -> Client:
    client = Client()
    answer = client.post(LOGIN, {"username": username, "password": PASSWORD})
    assert answer.headers["Location"] == SECOND
    return client


def test_a_password_alone_opens_nothing(staff: dict[str, User], codes: list[str]) -> None:
    client = after_password()

    for url in ("/admin/", "/admin/customers/customer/", "/admin/staff/roles/", "/admin/my-second-factor/"):
        answer = client.get(url)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(LOGIN)
    assert not AuditRecord.objects.filter(action="sign_in").exists()
    assert not Session.objects.filter(user__isnull=False).exists()


def test_the_code_of_the_app_signs_in_and_is_recorded(staff: dict[str, User], codes: list[str]) -> None:
    client = after_password()

    answer = client.post(SECOND, {"proof_code": f"{code()[:3]} {code()[3:]}"})

    assert answer.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    record = AuditRecord.objects.get(action="sign_in")
    assert (record.actor, record.after) == (staff[Role.SUPPORT].principal, {"with": "app"})


def test_a_code_works_once(staff: dict[str, User], codes: list[str], clock: Any) -> None:
    right = code()
    assert after_password().post(SECOND, {"proof_code": right}).status_code == 302

    again = after_password().post(SECOND, {"proof_code": right})
    earlier = after_password().post(SECOND, {"proof_code": code(steps=-1)})

    assert "used already" in again.text
    assert "used already" in earlier.text, "one from before it neither"
    clock.shift(timedelta(seconds=30))
    assert after_password().post(SECOND, {"proof_code": code()}).status_code == 302


@pytest.mark.parametrize(("steps", "status"), [(-2, 200), (-1, 302), (0, 302), (1, 302), (2, 200)])
def test_clocks_may_differ_by_half_a_minute(codes: list[str], steps: int, status: int) -> None:
    assert after_password().post(SECOND, {"proof_code": code(steps=steps)}).status_code == status


@pytest.mark.parametrize("typed", ["000000", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "x" * 5000, "\x00"])
def test_what_is_no_code_is_refused_and_recorded(codes: list[str], typed: str) -> None:
    assert "Wrong code" in after_password().post(SECOND, {"proof_code": typed}).text
    record = AuditRecord.objects.get(action="sign_in_failed")
    assert record.after == {"with": "second factor"}


def test_guesses_at_codes_end_even_with_the_right_password_each_time(codes: list[str], clock: Any) -> None:
    for _ in range(5):
        after_password().post(SECOND, {"proof_code": "000000"})

    answer = after_password().post(SECOND, {"proof_code": code()})

    assert "Too many attempts" in answer.text
    clock.shift(timedelta(minutes=16))


def test_without_counting_no_code_is_taken(codes: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = after_password()

    def away(*args: Any) -> int:
        from redis import ConnectionError

        raise ConnectionError

    monkeypatch.setattr("core.guesses.take", away)

    assert "not possible at the moment" in client.post(SECOND, {"proof_code": code()}).text


def test_a_recovery_code_signs_in_once(staff: dict[str, User], codes: list[str]) -> None:
    client = after_password()
    answer = client.post(SECOND, {"proof_code": codes[0].upper().replace("-", " ")}, follow=True)

    assert "That recovery code is spent; 9 are left." in answer.text
    assert "used already" in after_password().post(SECOND, {"proof_code": codes[0]}).text
    assert after_password().post(SECOND, {"proof_code": codes[1]}).status_code == 302


def test_of_two_who_send_one_code_at_once_one_gets_in(transactional_db: None) -> None:
    user = User.objects.create_user("twice", PASSWORD, Role.SUPPORT, full_name="Twice")
    codes, took = enrolled(user), []

    def use(typed: str) -> None:
        try:
            took.append(second_factor.check_code(user, typed))
        except second_factor.WrongCode:
            pass
        finally:
            connection.close()

    for typed in (codes[0], code()):
        threads = [Thread(target=use, args=[typed]) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    assert sorted(took) == ["app", "recovery code"]


def test_a_colleagues_code_is_no_code(staff: dict[str, User], codes: list[str]) -> None:
    theirs = enrolled(staff[Role.FINANCE])
    Totp.objects.filter(user=staff[Role.SUPPORT]).delete()
    Passkey.objects.create(
        user=staff[Role.SUPPORT], credential=b"x", public_key=b"x", sign_count=0, host="testserver", name="x"
    )

    for typed in (theirs[0], code()):
        assert "Wrong code" in after_password().post(SECOND, {"proof_code": typed}).text


# --- At rest ---------------------------------------------------------------------------------------------------------


def test_what_the_database_has_is_of_no_use(staff: dict[str, User], codes: list[str]) -> None:
    user, finance = staff[Role.SUPPORT], staff[Role.FINANCE]
    sealed = bytes(Totp.objects.get(user=user).secret)

    assert SECRET not in sealed
    assert second_factor.unseal(sealed, user) == SECRET
    with pytest.raises(InvalidTag):  # moved to somebody else's row
        second_factor.unseal(sealed, finance)
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert len(digests) == 10
    assert not any(plain in digest for plain in codes for digest in digests)
    assert not any(check_password(plain, digest) for plain in codes[:1] for digest in digests)


def test_the_key_can_be_changed(staff: dict[str, User], codes: list[str], settings: Any) -> None:
    settings.STAFF_FACTOR_OLD_KEYS = [settings.STAFF_FACTOR_KEY]
    settings.STAFF_FACTOR_KEY = "ab" * 32

    assert after_password().post(SECOND, {"proof_code": code()}).status_code == 302
    settings.STAFF_FACTOR_OLD_KEYS = []
    with pytest.raises(InvalidTag):
        second_factor.unseal(bytes(Totp.objects.get().secret), staff[Role.SUPPORT])
    assert "has to be enrolled anew" in after_password().post(SECOND, {"proof_code": code()}).text


# --- Enrolling -------------------------------------------------------------------------------------------------------


def offered(client: Client) -> bytes:
    import base64

    text = re.search(r'class="secret">([A-Z2-7 ]+)<', client.get(ENROL).text)
    assert text
    plain = text[1].replace(" ", "")
    return base64.b32decode(plain + "=" * (-len(plain) % 8))


def test_who_has_none_enrols_before_any_other_page(staff: dict[str, User], clock: Any) -> None:
    client = after_password()
    assert client.get(SECOND).headers["Location"] == ENROL
    secret = offered(client)
    assert offered(client) == secret, "reloading does not change it"
    assert client.get("/admin/").status_code == 302

    wrong = client.post(ENROL, {"code": "000000"})
    done = client.post(ENROL, {"code": code(secret)})

    assert "Wrong code" in wrong.text
    shown = re.findall(r'class="secret">([0-9a-z-]{19})<', done.text)
    assert len(shown) == len(set(shown)) == 10
    assert "no-store" in done.headers["Cache-Control"]
    assert client.get("/admin/").status_code == 200
    assert [*AuditRecord.objects.filter(look=False).order_by("id").values_list("action", flat=True)] == [
        "enrol_app", "new_recovery_codes", "sign_in",
    ]  # fmt: skip
    assert "used already" in after_password().post(SECOND, {"proof_code": code(secret)}).text, "that one is spent"
    assert after_password().post(SECOND, {"proof_code": shown[3]}).status_code == 302


def test_who_has_one_enrols_no_other_with_the_password_alone(codes: list[str]) -> None:
    client = after_password()

    assert client.get(ENROL).headers["Location"] == SECOND
    assert client.post(ENROL, {"code": "123456"}).headers["Location"] == SECOND


def test_without_the_password_there_is_nothing_to_enrol(staff: dict[str, User]) -> None:
    for url in (SECOND, ENROL):
        assert Client().get(url).headers["Location"] == LOGIN
        assert Client().post(url, {"code": "1", "proof_code": "1"}).headers["Location"] == LOGIN


def test_the_password_is_remembered_for_ten_minutes_and_while_it_is_right(
    staff: dict[str, User], codes: list[str], clock: Any
) -> None:
    ended, changed, late = after_password(), after_password(), after_password()
    services.deactivate(staff[Role.SUPPORT], reason="left", actor=None)
    assert ended.post(SECOND, {"proof_code": code()}).headers["Location"] == LOGIN
    services.reactivate(staff[Role.SUPPORT], reason="back", actor=None)
    assert changed.post(SECOND, {"proof_code": code()}).headers["Location"] == LOGIN
    user = fresh(staff[Role.SUPPORT])
    user.set_password(PASSWORD)
    user.save()
    late = after_password()
    clock.shift(timedelta(minutes=11))
    assert late.post(SECOND, {"proof_code": code()}).headers["Location"] == LOGIN


def test_a_session_that_shows_no_second_factor_opens_nothing(staff: dict[str, User]) -> None:
    """However it came about: Django alone would take it."""
    client = Client()
    client.force_login(staff[Role.SUPPORT])

    assert client.get("/admin/").status_code == 302


def test_no_setting_switches_it_off() -> None:
    names = {name for name in dir(settings) if "FACTOR" in name or "TOTP" in name}

    assert names == {"STAFF_FACTOR_KEY", "STAFF_FACTOR_OLD_KEYS"}


# --- Afterwards ------------------------------------------------------------------------------------------------------


def signed_in(codes: list[str]) -> Client:
    client = after_password()
    client.post(SECOND, {"proof_code": codes[0]})
    return client


def test_stepping_up_asks_for_the_factor_and_not_for_the_password(
    staff: dict[str, User], world: World, clock: Any
) -> None:
    codes = enrolled(staff[Role.FINANCE_CHECKER])
    client = after_password("finance_checker")
    client.post(SECOND, {"proof_code": codes[0]})
    clock.shift(timedelta(minutes=6))
    url = reverse("admin:staff_approval_approve", args=[world.asked.pk])
    form = {"agreed": world.asked.digest, "comment": ""}

    assert "Code of your app" in client.get(url).text
    refused = client.post(url, form | {"proof_password": PASSWORD})
    assert "Type the code" in refused.text and fresh(world.asked).state == "open"
    client.post(url, form | {"proof_code": code()})

    assert fresh(world.asked).state == "approved"
    assert AuditRecord.objects.get(action="step_up").after == {"with": "app"}


def test_ones_own_factors_are_seen_and_changed_and_the_last_one_stays(staff: dict[str, User], codes: list[str]) -> None:
    client = signed_in(codes)
    page = "/admin/my-second-factor/"

    assert "9 left" in client.get(page).text
    assert "this is the last" in client.post(page, {"do": "remove", "sure": "yes"}).text
    assert "The 9 that are left stop working at once." in client.post(page, {"do": "codes"}).text
    assert second_factor.factors_of(staff[Role.SUPPORT]).codes_left == 9, "a question changes nothing"
    sure = client.post(page, {"do": "codes", "sure": "yes"})
    fresh_codes = re.findall(r'class="secret">([0-9a-z-]{19})<', sure.text)
    assert len(fresh_codes) == 10
    assert "Wrong code" in after_password().post(SECOND, {"proof_code": codes[5]}).text, "the old ones are gone"
    assert after_password().post(SECOND, {"proof_code": fresh_codes[0]}).status_code == 302
    with pytest.raises(LastFactor):
        second_factor.remove(staff[Role.SUPPORT], Totp.objects.get())


def test_removing_a_passkey_twice_leaves_the_app(staff: dict[str, User], codes: list[str]) -> None:
    """A second press, a second tab, what no passkey is: none of them takes the app off."""
    user, page = staff[Role.SUPPORT], "/admin/my-second-factor/"
    own, theirs = (
        Passkey.objects.create(user=who, credential=name, public_key=b"x", sign_count=0, host="testserver", name="Key")
        for who, name in ((user, b"own"), (staff[Role.FINANCE], b"theirs"))
    )
    client = signed_in(codes)
    assert "Remove the passkey Key?" in client.post(page, {"do": "remove", "passkey": own.pk}).text
    assert Passkey.objects.filter(pk=own.pk).exists(), "a question changes nothing"

    sure = {"do": "remove", "sure": "yes"}
    assert "Removed." in client.post(page, sure | {"passkey": own.pk}, follow=True).text
    for gone in (own.pk, theirs.pk, "abc", "", "\x00", "9" * 5000, "²"):
        for sent in ({"do": "remove"}, sure):
            assert "removed already" in client.post(page, sent | {"passkey": gone}).text

    assert Totp.objects.filter(user=user).exists()
    assert Passkey.objects.filter(pk=theirs.pk).exists()
    assert AuditRecord.objects.get(action="remove_factor").before == {"passkey": "Key"}
    with pytest.raises(FactorGone):
        second_factor.remove(user, own)


def test_the_app_goes_where_it_is_meant_and_a_passkey_stays(staff: dict[str, User], codes: list[str]) -> None:
    user, page = staff[Role.SUPPORT], "/admin/my-second-factor/"
    Passkey.objects.create(user=user, credential=b"own", public_key=b"x", sign_count=0, host="testserver", name="Key")
    client = signed_in(codes)

    assert "Remove the app?" in client.post(page, {"do": "remove"}).text
    client.post(page, {"do": "remove", "sure": "yes"})

    assert not Totp.objects.filter(user=user).exists()
    assert Passkey.objects.filter(user=user).count() == 1


def test_that_page_asks_for_a_proof_that_is_not_old(codes: list[str], clock: Any) -> None:
    client = signed_in(codes)
    clock.shift(timedelta(minutes=6))

    for answer in (client.get("/admin/my-second-factor/"), client.post("/admin/my-second-factor/", {"do": "codes"})):
        assert answer.headers["Location"].startswith("/admin/prove/?next=")


def test_a_lost_factor_is_reset_by_two_colleagues(staff: dict[str, User], codes: list[str]) -> None:
    client = signed_in(codes)
    administrator, compliance = client_of(staff[Role.ADMINISTRATOR]), client_of(staff[Role.COMPLIANCE])
    url = reverse("admin:staff_user_reset_factor", args=[staff[Role.SUPPORT].pk])
    administrator.post(url, {"reason": "phone in the lake"})
    assert Totp.objects.exists(), "nothing has effect before"
    waiting = Approval.objects.get(state="open")
    compliance.post(
        reverse("admin:staff_approval_approve", args=[waiting.pk]), {"agreed": waiting.digest, "comment": ""}
    )

    assert not Totp.objects.exists() and not RecoveryCode.objects.exists()
    assert client.get("/admin/").status_code == 302
    assert after_password().get(SECOND).headers["Location"] == ENROL
    record = AuditRecord.objects.get(action="reset_factor")
    assert record.before == {"app": True, "passkeys": [], "codes": 9}
    assert record.after == {"approved_by": staff[Role.COMPLIANCE].principal}


def test_no_one_resets_a_factor_alone(staff: dict[str, User], codes: list[str]) -> None:
    ada = staff[Role.ADMINISTRATOR]
    with pytest.raises(ApprovalNeeded):
        services.reset_factor(staff[Role.SUPPORT], reason="x", actor=ada)
    with pytest.raises(NotYourself):
        services.reset_factor(ada, reason="x", actor=ada, checker=staff[Role.COMPLIANCE])
    assert Totp.objects.exists()


def test_an_administrator_sees_what_somebody_has_but_no_secret(staff: dict[str, User]) -> None:
    enrolled(staff[Role.SUPPORT])
    url = reverse("admin:staff_user_change", args=[staff[Role.SUPPORT].pk])

    assert "app; 10 recovery codes left" in client_of(staff[Role.ADMINISTRATOR]).get(url).text
