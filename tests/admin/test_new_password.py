"""S23: staff can start a colleague's new password and never choose or see it: a link to the colleague does that."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from staff import letters, services
from staff.models import Session, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, client_of, code_of
from tests.factories import fresh

CHOSEN = "seven quiet herons stand in the lake"


def link_in(message: Any) -> str:
    found = re.search(r"https?://[^/]+(/admin/new-password/\S+)", message.body)
    assert found, message.body
    return found[1]


def choose(client: Client, link: str, password: str, **proof: str) -> Any:
    """Open the link, and send the form that it leads to."""
    opened = client.get(link)
    page = opened.headers.get("Location", link)
    return client.post(page, {"new_password1": password, "new_password2": password, **proof}, follow=True)


@pytest.fixture
def support_user(staff: dict[str, User]) -> User:
    return staff[Role.SUPPORT]


@pytest.fixture
def sent(administrator: Client, support_user: User, mailoutbox: list[Any]) -> str:
    """A link for support, who is enrolled, that an administrator has had sent."""
    code_of("support")
    url = reverse("admin:staff_user_send_password_link", args=[support_user.pk])
    administrator.post(url, {"reason": "forgot it over the holidays"})
    letters.send_due()
    (letter,) = mailoutbox
    assert letter.to == ["support@example.com"]
    return link_in(letter)


def test_the_link_goes_to_the_colleague_and_to_nobody_else(
    administrator: Client, support_user: User, mailoutbox: list[Any]
) -> None:
    at_work = client_of(support_user)
    url = reverse("admin:staff_user_send_password_link", args=[support_user.pk])

    answer = administrator.post(url, {"reason": "forgot it"}, follow=True)
    letters.send_due()

    link = link_in(mailoutbox[0])
    page = administrator.get(reverse("admin:staff_user_change", args=[support_user.pk])).text
    assert "The link is on its way to them." in answer.text
    assert "none yet; a link left on" in page
    for shown in (answer.text, page, str(list(AuditRecord.objects.values())), str(list(support_user.letters.values()))):
        assert link.split("/")[-2] not in shown
    assert at_work.get("/admin/").status_code == 302
    assert not fresh(support_user).check_password(PASSWORD), "the old one is dead at once"
    record = AuditRecord.objects.get(action="send_password_link")
    assert (record.reason, record.actor) == ("forgot it", User.objects.get(username="administrator").principal)


def test_the_link_and_the_factor_together_set_a_password_once(client: Client, sent: str, support_user: User) -> None:
    refused = choose(client, sent, CHOSEN, proof_code="000000")
    assert "Wrong code" in refused.text
    assert not fresh(support_user).has_usable_password()

    done = choose(client, sent, CHOSEN, proof_code=code_of("support"))

    assert "Your password is set. Sign in with it." in done.text
    assert fresh(support_user).check_password(CHOSEN)
    assert (
        "does not work any more" in choose(client, sent, "another long enough one", proof_code=code_of("support")).text
    )
    assert fresh(support_user).check_password(CHOSEN)
    trail = AuditRecord.objects.filter(subject_id=str(support_user.pk), look=False).order_by("id")
    assert [one.action for one in trail] == [
        "send_password_link", "prove_at_link_failed", "prove_at_link", "choose_password",
    ]  # fmt: skip


def test_guesses_at_the_factor_end_there_too(client: Client, sent: str) -> None:
    for _ in range(5):
        choose(client, sent, CHOSEN, proof_code="000000")

    assert "Too many attempts" in choose(client, sent, CHOSEN, proof_code=code_of("support")).text


@pytest.mark.parametrize("password", ["short", "fourteen chars", "123456789123456789"])
def test_a_weak_password_is_refused_and_costs_no_code(client: Client, sent: str, password: str) -> None:
    answer = choose(client, sent, password, proof_code=code_of("support"))

    assert 'class="error"' in answer.text
    assert "is set" in choose(client, sent, CHOSEN, proof_code=code_of("support")).text


def test_a_newer_link_a_day_an_address_and_an_end_make_it_worthless(
    client: Client, sent: str, support_user: User, staff: dict[str, User], mailoutbox: list[Any]
) -> None:
    ada, two = staff[Role.ADMINISTRATOR], {"actor": staff[Role.ADMINISTRATOR], "checker": staff[Role.COMPLIANCE]}

    def works(link: str) -> bool:
        return "Set the password" in Client().get(link, follow=True).text

    assert works(sent)
    with time_machine.travel(now() + timedelta(hours=25)):
        assert not works(sent)
    services.send_password_link(support_user, reason="again", actor=ada)
    letters.send_due()
    newer = link_in(mailoutbox[-1])
    assert not works(sent) and works(newer)
    services.set_email(fresh(support_user), email="new@example.com", reason="married", **two)
    assert not works(newer)
    services.send_password_link(fresh(support_user), reason="again", actor=ada)
    letters.send_due()
    assert mailoutbox[-1].to == ["new@example.com"]
    services.deactivate(fresh(support_user), reason="left", actor=ada)
    assert not works(link_in(mailoutbox[-1]))


@pytest.mark.parametrize("link", ["/admin/new-password/MQ/x-y/", "/admin/new-password/!!/set-password/"])
def test_what_is_no_link_says_so(client: Client, staff: dict[str, User], link: str) -> None:
    for answer in (client.get(link), client.post(link, {"new_password1": CHOSEN, "new_password2": CHOSEN})):
        assert answer.status_code == 200
        assert "does not work any more" in answer.text


def test_the_token_is_not_in_the_address_that_is_shown(client: Client, sent: str) -> None:
    """Nor in what a page tells others it came from."""
    opened = client.get(sent)

    assert opened.status_code == 302
    assert sent.split("/")[-2] not in opened.headers["Location"]
    assert "no-store" in client.get(opened.headers["Location"]).headers["Cache-Control"]


def test_lockouts_are_lifted_by_hand_three_times_a_day(staff: dict[str, User], support_user: User) -> None:
    """Each is a handful of guesses more: who lifts might be who guesses."""
    ada = staff[Role.ADMINISTRATOR]
    for _ in range(services.LIFTED_A_DAY):
        services.lift_lockout(support_user, reason="x", actor=ada)
    with pytest.raises(services.LiftedOften):
        services.lift_lockout(support_user, reason="x", actor=ada)

    services.lift_lockout(staff[Role.FINANCE], reason="x", actor=ada)
    with time_machine.travel(now() + timedelta(hours=25)):
        services.lift_lockout(support_user, reason="x", actor=ada)


def test_on_the_server_itself_a_password_is_printed(support_user: User) -> None:
    """Where mail does not work. The second factor stays."""
    out = StringIO()
    call_command("staff_password", "support", reason="the mail server is away", stdout=out)

    assert fresh(support_user).check_password(out.getvalue().strip())
    assert AuditRecord.objects.get(action="reset_password").actor == "system"
    with pytest.raises(CommandError, match="No such member"):
        call_command("staff_password", "nobody", reason="x", stdout=StringIO())


def test_who_left_gets_no_letter(support_user: User, staff: dict[str, User], mailoutbox: list[Any]) -> None:
    services.send_password_link(support_user, reason="x", actor=staff[Role.ADMINISTRATOR])
    services.deactivate(support_user, reason="left", actor=staff[Role.ADMINISTRATOR])

    assert letters.send_due() == 1
    assert mailoutbox == []
    assert not Session.objects.filter(user=support_user).exists()
