from core.models import AuditRecord
from customers.models import Session
from customers.services import reactivate_customer, suspend_customer
from tests.customers.conftest import API, sign_in


def test_signing_out_is_felt_by_the_next_request_and_only_there(as_mary, api):
    elsewhere = sign_in("mary@example.com")

    assert as_mary("post", "auth/logout", {}).status_code == 204

    refused = as_mary("get", "me")
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
    refresh = api("post", "auth/refresh", {"refresh_token": as_mary.tokens["refresh_token"]})
    assert (refresh.status_code, refresh.json()["code"]) == (401, "invalid_refresh_token")
    assert elsewhere("get", "me").status_code == 200
    assert as_mary("post", "auth/logout").status_code == 204  # once more does no harm


def test_a_customer_sees_where_they_are_signed_in_page_by_page(as_mary):
    for _ in range(3):
        sign_in("mary@example.com")

    first = as_mary("get", "me/sessions?limit=3").json()
    last = as_mary("get", f"me/sessions?limit=3&cursor={first['next']}").json()

    assert [len(first["data"]), len(last["data"]), last["next"]] == [3, 1, None]
    assert [row["current"] for row in first["data"] + last["data"]] == [False, False, False, True]
    assert set(last["data"][0]) == {"session_id", "user_agent", "ip", "created_at", "last_used_at", "current"}


def test_and_ends_one_of_them(as_mary):
    lost_phone = sign_in("mary@example.com")
    found = as_mary("get", "me/sessions?limit=1").json()["data"][0]["session_id"]

    assert as_mary("delete", f"me/sessions/{found}").status_code == 204

    assert lost_phone("get", "me").status_code == 401
    assert as_mary("get", "me").status_code == 200
    again = as_mary("delete", f"me/sessions/{found}")
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")


def test_a_strangers_session_is_as_missing_as_none(as_mary, john):
    sign_in("john@example.com")
    johns = Session.objects.get(customer=john)

    foreign = as_mary("delete", f"me/sessions/{johns.id}")
    missing = as_mary("delete", "me/sessions/01900000-0000-7000-8000-000000000000")

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["code"] == missing.json()["code"] == "session_not_found"
    johns.refresh_from_db()
    assert johns.revoked_at is None


def test_suspension_ends_every_session_at_once_and_is_recorded(as_mary, mary, api):
    elsewhere = sign_in("mary@example.com")

    suspend_customer(mary, actor="staff:1", reason="court order")

    for client in (as_mary, elsewhere):
        refused = client("get", "me")
        assert (refused.status_code, refused.json()["code"]) == (403, "customer_suspended")
        refresh = api("post", "auth/refresh", {"refresh_token": client.tokens["refresh_token"]})
        assert (refresh.status_code, refresh.json()["code"]) == (403, "customer_suspended")
    record = AuditRecord.objects.get(action="suspend")
    assert (record.actor, record.before, record.after, record.reason) == (
        "staff:1", "active", {"state": "suspended", "cause": "other"}, "court order",
    )  # fmt: skip


def test_reactivation_brings_no_old_session_back(as_mary, mary):
    suspend_customer(mary, actor=None, reason="x")
    reactivate_customer(mary, actor="staff:1", reason="cleared")

    assert as_mary("get", "me").json()["code"] == "session_ended"
    assert sign_in("mary@example.com")("get", "me").status_code == 200


def test_a_token_for_somebody_elses_session_opens_nothing(as_mary, john):
    from customers.tokens import access_token

    marys = Session.objects.get()

    answer = API(Authorization=f"Bearer {access_token(john.id, marys.id)}")("get", "me")

    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
