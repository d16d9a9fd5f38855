"""Standing orders over HTTP: setting one up, looking at it, changing it, and what is refused."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from core.serializers import ReferenceField
from customers.errors import LinkedCustomer
from customers.links import declare_link
from payments.api.serializers import PayingSerializer, PayRequestSerializer
from schedules.models import OrderEvent, StandingOrder
from schedules.services import MOST_ORDERS, pause_order, resume_order
from staff.errors import ReasonMissing
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, fund, key
from tests.factories import fresh, new_wallet, signed_in
from tests.schedules.conftest import morning, run_at, today
from transactions.api.hold_serializers import PlaceHoldSerializer
from transactions.api.serializers import DepositSerializer, TransferSerializer
from wallets.services import close_wallet

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def ask(client: Client, aline: Any) -> Any:
    """Aline asks; status and body. POST takes a key unless told which."""
    headers = signed_in(aline.customer)

    def asked(method: str, path: str, body: Any = None, **extra: str) -> tuple[int, dict[str, Any]]:
        answer = client.generic(
            method, f"/v1/standing-orders{path}", b"" if body is None else dumps(body), content_type="application/json",
            headers=headers | {"Idempotency-Key": key()} | extra,
        )  # fmt: skip
        asked.headers = answer.headers  # type: ignore[attr-defined]
        return answer.status_code, answer.json()

    return asked


def dumps(body: Any) -> bytes:
    import json

    return json.dumps(body, default=str).encode()


def body(aline: Any, eric: Any, **changed: Any) -> dict[str, Any]:
    schedule = {"frequency": "monthly", "start_on": "2027-01-31", "day_of_month": 31}
    whole = {
        "from_wallet_id": aline.pk, "to": {"phone_number": eric.customer.phone_number}, "amount": "1500",
        "currency": "RWF", "memo": "rent", "schedule": schedule,
    }  # fmt: skip
    return whole | changed


def test_setting_one_up_says_its_next_dates(ask: Any, aline: Any, eric: Any) -> None:
    status, order = ask("POST", "", body(aline, eric))

    assert status == 201
    assert order["recipient"] == "Eric H." and order["to_wallet_id"] == str(eric.pk)
    assert [one["due_on"] for one in order["next_dates"]] == [
        "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31",
    ]  # fmt: skip
    assert (order["amount"], order["memo"], order["status"], order["version"]) == ("1500", "rent", "active", 1)
    assert order["schedule"]["day_of_month"] == 31 and order["retry"] == {"times": 3, "every_hours": 24}
    row = StandingOrder.objects.get()
    assert (row.named_by, row.named_as) != ("phone", eric.customer.phone_number), "the number is kept masked"
    assert ask("GET", f"/{row.pk}")[1] == order
    assert ask("GET", "")[1] == {"data": [order], "next": None}


def test_the_same_key_is_the_same_order_and_the_same_answer(ask: Any, aline: Any, eric: Any) -> None:
    once = {"Idempotency-Key": "the-same-key-twice"}
    first = ask("POST", "", body(aline, eric), **once)
    ask("PATCH", f"/{first[1]['standing_order_id']}", {"amount": "9"})
    type(eric.customer).objects.filter(pk=eric.customer_id).update(full_name="Somebody Else")

    again = ask("POST", "", body(aline, eric), **once)

    assert again == first
    assert ask.headers["Idempotency-Replayed"] == "true"
    assert StandingOrder.objects.count() == 1
    status, problem = ask("POST", "", body(aline, eric, amount="1501"), **once)
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    status, problem = ask("POST", "", body(aline, eric), **{"Idempotency-Key": ""})
    assert (status, problem["code"]) == (400, "missing_idempotency_key")


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        ({"start_on": "2020-01-01"}, "start_passed"),
        ({"start_on": "2099-01-01"}, "start_too_far_ahead"),
        ({"start_on": "2027-03-01", "end_on": "2027-02-01"}, "no_dates"),
        ({"start_on": "2027-03-01", "frequency": "yearly"}, "validation_failed"),
        ({"start_on": "2027-02-30"}, "validation_failed"),
        ({"start_on": "2027-03-01", "day_of_month": 5}, "validation_failed"),
        ({"start_on": "2027-03-01", "frequency": "once", "every": 2}, "validation_failed"),
        ({"start_on": "2027-03-01", "every": "2"}, "validation_failed"),
        ({"start_on": "2027-03-01", "every": True}, "validation_failed"),
        ({"start_on": "2027-03-01", "every": 0}, "validation_failed"),
        ({"start_on": "2027-03-01", "runs": 0}, "validation_failed"),
        ({"start_on": "2027-03-01", "frequency": "monthly", "day_of_month": 32}, "validation_failed"),
    ],
)
def test_a_schedule_that_makes_no_sense(ask: Any, aline: Any, eric: Any, schedule: Any, code: str) -> None:
    schedule = {"frequency": "weekly"} | schedule

    made = ask("POST", "", body(aline, eric, schedule=schedule))
    previewed = ask("POST", "/preview", schedule)

    assert (made[0], made[1]["code"]) == (previewed[0], previewed[1]["code"]) == (400, code)
    assert not StandingOrder.objects.exists()


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"to": {"phone_number": "+250788777777"}}, 422, "recipient_not_found"),
        ({"to": {"wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90"}}, 422, "recipient_not_found"),
        ({"to": {}}, 400, "validation_failed"),
        ({"to": {"email": "a@b.example", "phone_number": "+250788777777"}}, 400, "validation_failed"),
        ({"from_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90"}, 404, "wallet_not_found"),
        ({"amount": "0"}, 400, "amount_not_positive"),
        ({"amount": "10.5"}, 400, "amount_too_precise"),
        ({"currency": "KES"}, 422, "currency_mismatch"),
        ({"retry": {"times": 11}}, 400, "validation_failed"),
        ({"retry": {"every_hours": 0}}, 400, "validation_failed"),
        ({"surprise": 1}, 400, "validation_failed"),
    ],
)
def test_who_and_how_much_is_looked_at_at_once(
    ask: Any, aline: Any, eric: Any, changed: Any, status: int, code: str
) -> None:
    answer = ask("POST", "", body(aline, eric, **changed))

    assert (answer[0], answer[1]["code"]) == (status, code)
    assert not StandingOrder.objects.exists()


def test_other_recipients_that_cannot_be_paid(ask: Any, aline: Any, eric: Any) -> None:
    in_dollars = new_wallet(eric.customer, "USD")
    nobodys = new_wallet(full_name="Jane Doe")
    codes = [
        ask("POST", "", body(aline, eric, to={"wallet_id": aline.pk}))[1]["code"],
        ask("POST", "", body(aline, eric, to={"wallet_id": in_dollars.pk}))[1]["code"],
        ask("POST", "", body(aline, eric, to={"phone_number": nobodys.customer.phone_number}))[1]["code"],
    ]
    close_wallet(eric, actor=eric.customer)
    codes.append(ask("POST", "", body(aline, eric, to={"wallet_id": eric.pk}))[1]["code"])

    assert codes == ["self_transfer", "currency_mismatch", "recipient_has_no_wallet", "recipient_unavailable"]


def test_the_preview_says_where_the_calendar_puts_dates(ask: Any) -> None:
    """The 1st of January 2027 is a Friday, the 2nd a Saturday and a holiday too, which Monday replaces."""
    schedule = {"frequency": "monthly", "start_on": "2027-01-01", "business_day_rule": "next", "runs": 3}

    status, found = ask("POST", "/preview", schedule)

    assert status == 200
    assert found["how_often"] == "each month on day 1"
    assert found["dates"] == [
        {"planned_on": "2027-01-01", "due_on": "2027-01-05"},
        {"planned_on": "2027-02-01", "due_on": "2027-02-02"},  # National Heroes Day
        {"planned_on": "2027-03-01", "due_on": "2027-03-01"},
    ]


def test_runs_say_what_became_of_each_date(ask: Any, aline: Any, eric: Any) -> None:
    fund(aline, 1_600)
    first = today() + DAY
    schedule = {"frequency": "daily", "start_on": first, "runs": 3}
    _, order = ask("POST", "", body(aline, eric, schedule=schedule, retry={"times": 1, "every_hours": 6}))
    path = f"/{order['standing_order_id']}"
    ask("POST", f"{path}/skip", {"due_on": first})
    run_at(morning(first + DAY))
    run_at(morning(first + 2 * DAY))

    status, runs = ask("GET", f"{path}/runs?limit=2")
    rest = ask("GET", f"{path}/runs?limit=2&cursor={runs['next']}")[1]

    assert status == 200
    waits, paid = runs["data"]
    (skipped,) = rest["data"]
    assert rest["next"] is None
    assert (waits["status"], waits["code"], waits["tries"]) == ("due", "insufficient_funds", 1)
    assert waits["next_try_at"] is not None and waits["receipt"]
    assert (paid["status"], paid["code"], paid["tries"], paid["amount"]) == ("completed", None, 1, "1500")
    assert (skipped["status"], skipped["transaction_id"], skipped["tries"]) == ("skipped", None, 0)
    assert ask("GET", path)[1]["runs_left"] == 1
    client_reads = ask("GET", path)[1]
    assert client_reads["status"] == "active"
    assert_books_balance()


def test_it_can_be_paused_resumed_skipped_changed_and_cancelled(ask: Any, aline: Any, eric: Any) -> None:
    _, order = ask("POST", "", body(aline, eric))
    path = f"/{order['standing_order_id']}"

    assert ask("POST", f"{path}/pause", {})[1]["status"] == "paused"
    assert ask("POST", f"{path}/pause", {})[0] == 200
    assert ask("POST", f"{path}/skip", {"due_on": "2027-01-31"})[1]["code"] == "standing_order_paused"
    assert ask("POST", f"{path}/resume", {})[1]["status"] == "active"
    assert ask("POST", f"{path}/resume", {})[0] == 200
    wrong = ask("POST", f"{path}/skip", {"due_on": "2027-02-28"})
    assert (wrong[0], wrong[1]["code"], wrong[1]["next_on"]) == (409, "not_next_date", "2027-01-31")
    skipped = ask("POST", f"{path}/skip", {"due_on": "2027-01-31"})[1]
    assert skipped["next_dates"][0]["due_on"] == "2027-02-28"
    changed = ask("PATCH", path, {"amount": "1600", "end_on": "2027-03-31"})[1]
    assert (changed["amount"], changed["version"], len(changed["next_dates"])) == ("1600", 2, 2)
    assert ask("PATCH", path, {"amount": "1600"})[1]["version"] == 2, "nothing new is no version"
    assert ask("PATCH", path, {})[1]["code"] == "validation_failed"
    assert ask("PATCH", path, {"end_on": "2027-02-01"})[1]["code"] == "no_dates"
    assert ask("PATCH", path, {"amount": "0"})[1]["code"] == "amount_not_positive"
    assert ask("POST", f"{path}/cancel", {})[1]["status"] == "cancelled"
    assert ask("POST", f"{path}/cancel", {})[0] == 200
    for act in ("pause", "resume"):
        assert ask("POST", f"{path}/{act}", {})[1]["code"] == "standing_order_closed"
    assert ask("PATCH", path, {"memo": "x"})[1]["code"] == "standing_order_closed"
    assert ask("GET", "?status=cancelled")[1]["data"][0]["next_dates"] == []
    kinds = list(OrderEvent.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["created", "paused", "resumed", "skipped", "changed", "cancelled"]


def test_what_staff_paused_only_staff_let_go_on(ask: Any, aline: Any, eric: Any) -> None:
    grace = User.objects.create_user("grace", None, Role.OPERATIONS, full_name="Grace")
    _, order = ask("POST", "", body(aline, eric))
    path, pk = f"/{order['standing_order_id']}", order["standing_order_id"]
    with pytest.raises(ReasonMissing):
        pause_order(pk, actor=grace, reason=" ")

    pause_order(pk, actor=grace, reason="A court has asked.")

    refused = ask("POST", f"{path}/resume", {})
    assert (refused[0], refused[1]["code"]) == (409, "standing_order_paused_by_us")
    assert ask("GET", path)[1]["paused_by_us"] is True
    assert "court" not in str(ask("GET", path)[1])
    resume_order(pk, actor=grace, reason="It was lifted.")
    assert fresh(StandingOrder.objects.get(pk=pk)).state == "active"
    told = list(aline.customer.notifications.order_by("id").values_list("kind", flat=True))
    assert told == ["order_created", "order_paused", "order_resumed"]


def test_staff_do_nothing_with_those_close_to_them(ask: Any, aline: Any, eric: Any) -> None:
    grace = User.objects.create_user("grace", None, Role.OPERATIONS, full_name="Grace")
    _, order = ask("POST", "", body(aline, eric))
    declare_link(grace, eric.customer, relation="family", actor=grace)

    with pytest.raises(LinkedCustomer):
        pause_order(order["standing_order_id"], actor=grace, reason="for him")


def test_there_are_not_more_than_so_many(ask: Any, aline: Any, eric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ORDERS == 100
    monkeypatch.setattr("schedules.services.MOST_ORDERS", 1)
    ask("POST", "", body(aline, eric))

    status, problem = ask("POST", "", body(aline, eric))

    assert (status, problem["code"], problem["most"]) == (409, "too_many_standing_orders", 1)


def test_no_reference_of_a_client_s_takes_that_of_a_date(client: Client, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    sent = {
        "from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": "10", "currency": "RWF",
        "reference": "standing-order:01981f73-2b4e-7a90-9c11-4d5e6f708192:2027-01-31:0",
    }  # fmt: skip
    headers = signed_in(aline.customer) | {"Idempotency-Key": key()}

    answer = client.post("/v1/transfers", sent, content_type="application/json", headers=headers)

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("reference", "reserved")
    assert ReferenceField().run_validation("payout-1") == "payout-1"
    for door in (TransferSerializer, DepositSerializer, PlaceHoldSerializer, PayingSerializer, PayRequestSerializer):
        assert isinstance(door().fields["reference"], ReferenceField)


def test_today_counts(ask: Any, aline: Any, eric: Any) -> None:
    fund(aline, 2_000)
    day: date = today()

    status, order = ask("POST", "", body(aline, eric, schedule={"frequency": "once", "start_on": day}))
    run_at(morning(day, 23))

    assert status == 201
    ended = ask("GET", f"/{order['standing_order_id']}")[1]
    assert (order["ended_reason"], ended["status"], ended["ended_reason"]) == (None, "ended", "no_date_left")


def test_one_that_can_never_pay_again_says_why_and_one_that_was_cancelled_ended_for_no_reason(
    ask: Any, aline: Any, eric: Any
) -> None:
    daily, cancelled = (
        ask("POST", "", body(aline, eric, schedule={"frequency": "daily", "start_on": today() + DAY}))[1] for _ in "ab"
    )
    ask("POST", f"/{cancelled['standing_order_id']}/cancel", {})
    close_wallet(eric, actor=eric.customer)

    run_at(morning(today() + DAY))

    shown = {one["standing_order_id"]: (one["status"], one["ended_reason"]) for one in ask("GET", "")[1]["data"]}
    assert shown == {
        daily["standing_order_id"]: ("ended", "recipient_unavailable"),
        cancelled["standing_order_id"]: ("cancelled", None),
    }
