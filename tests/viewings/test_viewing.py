"""How a view begins and how it ends: by itself, with the session, with the right, by another; and what is told."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from customers.links import declare_link
from customers.services import suspend_customer
from notifications.models import Delivery, Notification
from staff.models import Session, User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.racing import at_once
from tests.viewings.conftest import START, begin, page, pages_of
from viewings.accesses import agent_code
from viewings.models import Viewing, ViewingEnd
from viewings.selectors import live
from viewings.services import end_viewing, end_viewings, start_viewing

pytestmark = pytest.mark.django_db
How = ViewingEnd.How


def is_over(client: Client, viewing: Viewing, world: World) -> bool:
    """Of all pages or of none."""
    answers = [client.get(url) for url in pages_of(viewing, world).values()]
    over = {answer.status_code == 409 and "This view has ended" in answer.text for answer in answers}
    assert len(over) == 1
    if over == {True}:
        assert all("8,700.00" not in answer.text for answer in answers)
        assert all(f"{reverse(START)}?customer={viewing.customer_id}" in answer.text for answer in answers)
    return over == {True}


def end_of(viewing: Viewing) -> Any:
    return ViewingEnd.objects.filter(viewing=viewing).first()


def told(world: World) -> list[Notification]:
    return list(Notification.objects.filter(customer=world.wanjiku, kind="account_viewed"))


# --- It begins ----------------------------------------------------------------------------------------------------


def test_it_is_begun_from_the_customers_page_with_a_reason(grace: Client, staff: dict[str, User], world: World) -> None:
    start = f"{reverse(START)}?customer={world.wanjiku.pk}"
    shown = grace.get(reverse("admin:customers_customer_change", args=[world.wanjiku.pk])).text
    dialog = grace.get(start).text
    assert start in shown and "Wanjiku Kamau" in dialog and "They are told that you looked" in dialog

    viewing = begin(grace, world.wanjiku)

    assert viewing.customer == world.wanjiku and viewing.role == Role.SUPPORT
    assert viewing.ends_at - viewing.started_at == timedelta(minutes=15)
    back = grace.get(reverse("admin:customers_customer_change", args=[world.wanjiku.pk])).text
    assert page("home", viewing) in back
    watching = client_of(staff[Role.COMPLIANCE]).get(
        reverse("admin:customers_customer_change", args=[world.wanjiku.pk])
    )
    assert "Viewed as this customer" in watching.text and "Viewed as this customer" not in back


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"why": ""}, "why"), ({"why": "curiosity"}, "why"), ({"note": ""}, "note"), ({"note": "  \n"}, "note"),
        ({"note": "x" * 501}, "note"), ({"customer": ""}, "customer"), ({"customer": "nobody@example.com"}, "customer"),
        ({"customer": "0" * 32}, "customer"), ({"customer": "x" * 300}, "customer"),
    ],
)  # fmt: skip
def test_what_is_missing_oversized_or_of_nobody_is_said_in_the_dialog(
    grace: Client, world: World, wrong: dict[str, str], field: str
) -> None:
    asked = {"customer": str(world.wanjiku.pk), "why": "asked", "note": "ticket 1"} | wrong

    answer = grace.post(reverse(START), asked)

    assert answer.status_code == 200
    assert field in answer.context["form"].errors
    assert not Viewing.objects.filter(customer=world.wanjiku).exists()


def test_without_its_token_no_form_is_taken(staff: dict[str, User], world: World) -> None:
    strict = client_of(staff[Role.SUPPORT], enforce_csrf_checks=True)

    asked = {"customer": str(world.wanjiku.pk), "why": "asked", "note": "ticket 1"}
    assert strict.post(reverse(START), asked).status_code == 403
    assert not Viewing.objects.filter(customer=world.wanjiku).exists()


def test_nobody_views_as_themselves_or_as_somebody_close(grace: Client, staff: dict[str, User], world: World) -> None:
    agent = staff[Role.SUPPORT]
    declare_link(agent, world.wanjiku, relation="household", actor=agent)

    answer = grace.post(reverse(START), {"customer": str(world.wanjiku.pk), "why": "asked", "note": "ticket 1"})

    assert "somebody you are linked to" in answer.text and "A colleague looks" in answer.text
    assert not Viewing.objects.filter(customer=world.wanjiku).exists()


def test_the_dialog_says_at_once_that_there_is_nothing_to_begin(
    grace: Client, staff: dict[str, User], world: World
) -> None:
    """Before anybody has chosen a reason and written a note. Without a customer it asks for one, as ever."""
    agent, opened = staff[Role.SUPPORT], f"{reverse(START)}?customer="
    declare_link(agent, world.wanjiku, relation="own", actor=agent)
    suspend_customer(world.john, reason="x", actor=staff[Role.COMPLIANCE])

    own, on_hold = (grace.get(f"{opened}{one.pk}").text for one in (world.wanjiku, world.john))

    assert "This is about your own account with us. A colleague looks" in own
    assert "Their app shows only that the account is on hold" in on_hold
    assert all("<textarea" not in text and "Back" in text for text in (own, on_hold))
    for text in (grace.get(reverse(START)).text, grace.get(f"{opened}nobody@example.com").text):
        assert "<textarea" in text
    assert "<textarea" in client_of(staff[Role.SENIOR_SUPPORT]).get(f"{opened}{world.wanjiku.pk}").text


# --- It ends ------------------------------------------------------------------------------------------------------


def test_it_ends_by_itself(grace: Client, world: World, viewing: Viewing) -> None:
    with time_machine.travel(viewing.ends_at - timedelta(seconds=1), tick=False):
        assert not is_over(grace, viewing, world)
        assert end_viewings() == 0
    with time_machine.travel(viewing.ends_at, tick=False):
        assert is_over(grace, viewing, world)
        assert end_of(viewing) is None, "whether it has been written down yet or not"
    with time_machine.travel(viewing.ends_at + timedelta(seconds=40), tick=False):
        assert end_viewings() == 1
        assert end_viewings() == 0

    end = end_of(viewing)
    assert (end.how, end.at) == (How.TIME, viewing.ends_at)
    assert AuditRecord.objects.get(action="end_viewing").actor == "system"


def test_the_time_is_a_setting(grace: Client, world: World, settings: Any) -> None:
    settings.VIEWING_MINUTES = 3

    assert begin(grace, world.wanjiku).ends_at <= now() + timedelta(minutes=3)


def test_it_is_ended_with_one_click(grace: Client, world: World, viewing: Viewing) -> None:
    answer = grace.post(reverse("admin:viewings_viewing_end", args=[viewing.pk]))

    assert answer["Location"] == reverse("admin:customers_customer_change", args=[world.wanjiku.pk])
    assert is_over(grace, viewing, world)
    assert end_of(viewing).how == How.DONE
    again = grace.post(reverse("admin:viewings_viewing_end", args=[viewing.pk])).text
    assert "It has ended already." in again
    assert len(told(world)) == 1


def test_it_ends_with_signing_out(grace: Client, staff: dict[str, User], world: World, viewing: Viewing) -> None:
    grace.post(reverse("admin:logout"))
    assert grace.get(page("home", viewing)).status_code == 302

    anew = client_of(staff[Role.SUPPORT])
    assert is_over(anew, viewing, world), "of the session before"
    assert end_viewings() == 1
    assert end_of(viewing).how == How.SESSION


def test_it_is_open_in_the_browser_in_which_it_began_alone(
    grace: Client, staff: dict[str, User], world: World, viewing: Viewing
) -> None:
    with time_machine.travel(now() + timedelta(seconds=5), tick=False):
        other = client_of(staff[Role.SUPPORT])

    assert is_over(other, viewing, world)
    assert not is_over(grace, viewing, world)


def test_it_lives_through_a_new_key_of_its_session(grace: Client, world: World, viewing: Viewing) -> None:
    before = Session.objects.get()
    session = grace.session
    session.load()
    session.prove()
    session.save()
    grace.cookies["sessionid"] = session.session_key
    assert Session.objects.exclude(pk=before.pk).exists()

    assert not is_over(grace, viewing, world)


def test_it_ends_with_an_idle_session(grace: Client, world: World, viewing: Viewing, settings: Any) -> None:
    settings.STAFF_IDLE_MINUTES = 5
    with time_machine.travel(now() + timedelta(minutes=6), tick=False):
        assert end_viewings() == 1

    assert end_of(viewing).how == How.SESSION


def test_it_ends_with_the_right(grace: Client, staff: dict[str, User], world: World, viewing: Viewing) -> None:
    User.objects.filter(pk=staff[Role.SUPPORT].pk).update(role=Role.OPERATIONS)

    assert {grace.get(url).status_code for url in pages_of(viewing, world).values()} == {403}
    assert end_viewings() == 1
    assert end_of(viewing).how == How.RIGHT


def test_another_one_ends_it(grace: Client, world: World, viewing: Viewing) -> None:
    johns = begin(grace, world.johns.customer)

    assert is_over(grace, viewing, world)
    assert end_of(viewing).how == How.ANOTHER
    assert grace.get(page("home", johns)).status_code == 200
    assert grace.get(page("history", johns, world.wallet.pk)).status_code == 404


def test_it_ends_once(grace: Client, world: World, viewing: Viewing) -> None:
    assert [end_viewing(viewing, how) for how in (How.DONE, How.TIME, How.DONE)] == [True, False, False]
    assert end_of(viewing).how == How.DONE
    assert AuditRecord.objects.filter(action="end_viewing").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_begun_at_once_one_stays(world: World, staff: dict[str, User]) -> None:
    agent, customers, began_at = staff[Role.SUPPORT], [world.wanjiku, world.john] * 4, now()
    acts = [
        partial(start_viewing, one, agent=agent, session_began_at=began_at, why="asked", note="x") for one in customers
    ]

    begun = at_once(acts)

    assert len({one.pk for one in begun}) == 8
    assert live(agent).count() == 1
    assert ViewingEnd.objects.filter(viewing__in=begun, how=How.ANOTHER).count() == 7


# --- The customer is told -----------------------------------------------------------------------------------------


def test_the_customer_is_told_once_who_when_how_long_and_why(grace: Client, world: World, viewing: Viewing) -> None:
    assert told(world) == []
    with time_machine.travel(viewing.started_at + timedelta(minutes=4, seconds=10), tick=False):
        end_viewing(viewing, How.DONE)
    end_viewings()

    [one] = told(world)
    for said in ("You asked us to look.", "4 minutes", agent_code(viewing.agent_id), "could change nothing"):
        assert said in one.body, said
    assert "Support Person" not in one.body and "4711" not in one.body
    assert Delivery.objects.filter(notification=one).count() == 1


def test_colleagues_have_different_codes_and_each_always_the_same(staff: dict[str, User]) -> None:
    codes = [agent_code(user.pk) for user in staff.values()]

    assert len(set(codes)) == len(staff)
    assert codes == [agent_code(user.pk) for user in staff.values()]
    assert all(len(code) == 8 and code.startswith("S-") for code in codes)
