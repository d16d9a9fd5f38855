"""A customer's own access log over the API: who looked, who revealed, and the account's own sign-ins."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from customers.models import Reveal
from customers.services import sign_in, update_profile
from customers.tokens import refresh, start_session
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World
from tests.factories import PASSWORD, CustomerFactory, bearer, signed_in
from tests.viewings.conftest import begin
from viewings.accesses import REVEALED_BECAUSE, WHY, agent_code
from viewings.models import Viewing, ViewingEnd
from viewings.services import end_viewing

pytestmark = pytest.mark.django_db
URL = "/v1/me/accesses"


def log_of(customer: Any, client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(URL, query, headers=signed_in(customer))
    assert answer.status_code == 200
    return list(answer.json()["data"])


def revealed(customer: Any, agent: User, because: str) -> Reveal:
    at = now()
    return Reveal.objects.create(
        agent=agent, customer=customer, because=because, reason="ticket 4711", at=at, until=at + timedelta(minutes=5)
    )


def test_a_view_is_in_it_while_it_goes_on_and_afterwards(client: Client, grace: Client, world: World) -> None:
    viewing = begin(grace, world.wanjiku, why="complaint")
    [open_one] = log_of(world.wanjiku, client)
    end_viewing(viewing, ViewingEnd.How.DONE)
    [closed] = log_of(world.wanjiku, client)

    assert open_one == {
        "access_id": str(viewing.pk), "kind": "support_view", "title": "We saw your account as your app shows it",
        "by": "staff", "role": "Support", "agent": agent_code(viewing.agent_id),
        "reason": "You told us that something was not right.", "ip": None,
        "at": viewing.started_at.isoformat().replace("+00:00", "Z"), "until": None,
    }  # fmt: skip
    assert closed["until"] is not None and closed["until"] < viewing.ends_at.isoformat()
    assert log_of(CustomerFactory(), client) == []


def test_it_names_no_colleague_and_keeps_our_notes(
    client: Client, grace: Client, staff: dict[str, User], world: World
) -> None:
    begin(grace, world.wanjiku)
    revealed(world.wanjiku, staff[Role.COMPLIANCE], "identify")

    text = client.get(URL, headers=signed_in(world.wanjiku)).text

    assert "4711" not in text and "Person" not in text and '"staff:' not in text


def test_reveals_are_in_it_with_reasons_but_not_those_that_the_law_keeps(
    client: Client, staff: dict[str, User], world: World
) -> None:
    for because in Reveal.Because.values:
        revealed(world.wanjiku, staff[Role.SENIOR_SUPPORT], because)

    found = log_of(world.wanjiku, client)

    assert len(found) == len(Reveal.Because.values) - 1
    assert {row["kind"] for row in found} == {"reveal"}
    assert {row["role"] for row in found} == {"Senior support"}
    assert len({row["reason"] for row in found}) == len(REVEALED_BECAUSE) + 1
    assert not any("law" in row["reason"] or "compliance" in row["reason"] for row in found)


def test_own_sign_ins_changes_and_a_stolen_token_are_in_it(client: Client) -> None:
    customer = CustomerFactory(email="mary@example.com")
    other = CustomerFactory()
    tokens = sign_in("mary@example.com", PASSWORD)
    sign_in(other.email, PASSWORD)
    update_profile(customer.pk, {"full_name": "Mary W."})
    headers = bearer(start_session(customer))
    refresh(tokens.refresh_token)
    client.post("/v1/auth/refresh", {"refresh_token": tokens.refresh_token}, content_type="application/json")
    client.post(
        "/v1/me/password", {"current_password": PASSWORD, "new_password": "seven quiet herons wade at dusk"},
        headers=headers, content_type="application/json", REMOTE_ADDR="41.90.1.2",
    )  # fmt: skip

    found = client.get(URL, headers=headers).json()["data"]

    assert [(row["kind"], row["by"]) for row in found] == [
        ("change_password", "customer"), ("refresh_token_reused", "unknown"), ("update_profile", "customer"),
        ("sign_in", "customer"),
    ]  # fmt: skip
    assert found[0]["ip"] == "41.90.1.2"
    assert all(row["agent"] is row["role"] is row["reason"] is None for row in found)


def test_pages_go_on_where_the_last_ended_across_all_sources(
    client: Client, grace: Client, staff: dict[str, User], world: World
) -> None:
    for _ in range(3):
        begin(grace, world.wanjiku)
        revealed(world.wanjiku, staff[Role.SUPPORT], "contact")
        update_profile(world.wanjiku.pk, {"full_name": f"Wanjiku {now():%f}"})
    headers = signed_in(world.wanjiku)

    ids, cursor, pages = [], "", 0
    while cursor is not None:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = client.get(URL, query, headers=headers).json()
        ids += [row["access_id"] for row in body["data"]]
        cursor, pages = body["next"], pages + 1

    assert pages == 5 and len(ids) == len(set(ids)) == 9
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("query", [{"cursor": "WzFd"}, {"limit": "0"}, {"customer_id": "x"}])
def test_a_query_that_is_none_is_refused(client: Client, world: World, query: dict[str, str]) -> None:
    assert client.get(URL, query, headers=signed_in(world.wanjiku)).json()["code"] == "validation_failed"


def test_it_costs_the_same_however_long_it_is(
    client: Client, grace: Client, world: World, statements: list[str]
) -> None:
    headers = signed_in(world.wanjiku)

    def cost() -> int:
        statements.clear()
        assert client.get(URL, headers=headers).status_code == 200
        return len(statements)

    few = cost()
    for _ in range(5):
        begin(grace, world.wanjiku)
        revealed(world.wanjiku, Viewing.objects.latest("pk").agent, "contact")

    assert cost() == few == 4


def test_each_reason_has_words_for_the_customer() -> None:
    assert set(WHY) == set(Viewing.Why)
