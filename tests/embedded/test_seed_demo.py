"""What the demo shows: who may sign in, and a pilot's month that is loaded once, whole, on the database's own terms."""

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from core.contacts import e164, mailbox
from core.ids import uuid7
from customers.models import Customer
from customers.services import sign_in
from ledger.selectors import coverage, last_proof, trial_balance
from notes.models import Note
from notifications.models import Delivery, Notification
from payouts.models import Batch
from recalls.models import Recall
from schedules.models import OrderRun, StandingOrder
from staff import second_factor
from staff.models import Approval, Totp, User
from staff.roles import Role
from statements.models import Statement
from tekana import demo_data, demo_plan
from tekana.embedded.codes import code_of
from tests.books import assert_books_balance, key, posted
from transactions.models import Event, OutboxEntry, RailCall, RailMessage, Receivable, Revaluation, State, Transaction
from transactions.services.rail_calls import rail
from wallets.models import Freeze, Wallet

REFUSALS = {
    "recipient_not_found", "self_transfer", "limit_exceeded", "recipient_has_no_wallet", "insufficient_funds",
    "insufficient_funds_at_bank", "account_closed", "currency_mismatch", "balance_limit_exceeded", "wallet_frozen",
    "recipient_unavailable",
}  # fmt: skip


@pytest.fixture
def var(tmp_path: Path, settings: Any) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def logins(var: Path) -> dict[str, dict[str, str]]:
    return {login["username"]: login for login in json.loads((var / "demo" / "logins.json").read_text())}


# --- The plan --------------------------------------------------------------------------------------------------------
def test_the_plan_is_the_same_every_time_and_shifts_with_the_day():
    now = timezone.now()

    first, again, later = (demo_plan.steps(at) for at in (now, now, now + timedelta(days=3)))

    assert first == again
    assert [(s.key, s.what, s.about) for s in first] == [(s.key, s.what, s.about) for s in later]
    assert len({step.key for step in first}) == len(first) > 400
    assert first[-1].key == demo_plan.LAST
    assert all(hasattr(demo_data.Pilot, step.what) for step in first)
    assert now - timedelta(days=31) < first[0].at <= first[-1].at < now


def test_everybody_has_a_valid_number_and_an_address_of_their_own():
    people = demo_plan.everybody()

    assert len({person.phone_number for person in people}) == len({person.email for person in people}) == len(people)
    assert len(people) >= 60
    for person in people:
        assert e164(person.phone_number) == person.phone_number, person
        assert mailbox(person.email) == person.email and person.email.endswith("@example.com")
    assert {person.country for person in people} == set(demo_plan.CURRENCY)


# --- The load --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_first_start_makes_logins_and_a_month_of_activity(var, settings, capsys):
    rails, started = settings.RAILS, timezone.now()

    call_command("seed_demo")

    # who may sign in
    kept = logins(var)
    assert stat.S_IMODE((var / "demo" / "logins.json").stat().st_mode) == 0o600
    assert [login["role"] for login in kept.values()] == [*Role.values, "customer", "customer"]
    assert len({login["password"] for login in kept.values()}) == len(kept)
    said = capsys.readouterr().out
    for login in kept.values():
        if login["role"] == "customer":
            assert sign_in(login["username"], login["password"]).access_token
            assert login["password"] not in said
        else:
            user = authenticate(username=login["username"], password=login["password"])
            assert isinstance(user, User) and user.role == login["role"]
            assert login["username"] in said and login["password"] in said
            assert second_factor.check_code(user, code_of(login["totp_secret"], int(time.time()))) == "app"
            assert login["otpauth"].startswith("otpauth://totp/Tekana:") and login["totp_secret"] in login["otpauth"]
    # what happened
    assert Customer.objects.count() == len(demo_plan.everybody())
    states = Counter(Transaction.objects.values_list("state", flat=True))
    assert states[State.COMPLETED] > 350 and set(states) == set(State.values) - {State.EXPIRED}
    assert set(Transaction.objects.filter(state=State.FAILED).values_list("refusal_code", flat=True)) == REFUSALS
    assert {row.currency for row in trial_balance()} == {*demo_plan.CURRENCY.values(), "USD"}
    assert Transaction.objects.filter(kind="conversion", state=State.COMPLETED).count() == 5
    assert {(one.base, one.quote) for one in Revaluation.objects.get().lines.all()} == {("USD", "KES"), ("USD", "RWF")}
    # when
    days = {at.date() for at in Transaction.objects.values_list("created_at", flat=True)}
    assert len(days) >= 30 and max(Transaction.objects.values_list("created_at", flat=True)) < started
    for model, field in ((Event, "at"), (Notification, "created_at"), (RailCall, "started_at"), (Freeze, "placed_at")):
        times = sorted(model.objects.values_list(field, flat=True))
        assert times[0] < started - timedelta(days=5) and times[-1] < started, model
    # who was told, and what waits for the worker or for a person
    assert not OutboxEntry.objects.exists() and not Delivery.objects.exclude(state="sent").exists()
    assert Notification.objects.exclude(read_at=None).exists()
    assert RailMessage.objects.filter(state="processed").count() > 30
    quarantined = Transaction.objects.exclude(quarantined_at=None).values_list("state", flat=True)
    assert set(quarantined) == {State.PROCESSING, State.UNKNOWN}
    pending = Counter(Transaction.objects.filter(state=State.PENDING).values_list("kind", flat=True))
    assert pending.pop("hold") == 3 and pending.total() == 2
    assert Freeze.objects.filter(lifted_at=None).count() == 1 and Freeze.objects.count() == 2
    assert Customer.objects.filter(state="suspended").count() == 1
    assert Receivable.objects.get().account.posted > 0 and Recall.objects.get().state == "open"
    waiting = Approval.objects.filter(state="open").order_by("operation").values_list("operation", flat=True)
    assert list(waiting) == ["adjustment", "reversal"] and Note.objects.count() == 1
    assert Counter(StandingOrder.objects.values_list("state", flat=True)) == {"active": 2, "ended": 2, "paused": 1}
    runs = Counter(OrderRun.objects.values_list("state", flat=True))
    assert runs["completed"] >= 8 and runs["unfunded"] == 1, runs
    sent = Counter(Statement.objects.values_list("format", flat=True))
    assert set(sent) == {"pdf", "merchant"} and min(sent.values()) >= 3, sent
    proof = last_proof()
    assert proof is not None and proof.ok
    assert all(one.covered for one in coverage())
    assert_books_balance()
    # and the time is the time again
    assert rails == settings.RAILS and type(rail("sandbox")).__name__ == "SandboxRail"
    assert timezone.now() > started and uuid7() > max(Transaction.objects.values_list("id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), to_regnamespace('demo_clock'), current_setting('search_path')")
        at, schema, path = cursor.fetchone()
    assert at > started and schema is None and "demo_clock" not in path


@pytest.mark.django_db(transaction=True)
def test_a_second_start_changes_nothing(var):
    call_command("seed_demo")
    before = (
        logins(var),
        Event.objects.count(),
        Notification.objects.count(),
        list(Wallet.objects.order_by("pk").values()),
    )

    call_command("seed_demo")

    after = (
        logins(var),
        Event.objects.count(),
        Notification.objects.count(),
        list(Wallet.objects.order_by("pk").values()),
    )
    assert after == before


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_the_next_start_finishes_it(var):
    environment = os.environ | {"DATABASE_URL": url_of_the_test_database(), "VAR_DIR": str(var)}
    for movements in (20, 150, 300):
        process = subprocess.Popen(
            [sys.executable, "manage.py", "seed_demo"], env=environment, stdout=subprocess.DEVNULL
        )
        while Transaction.objects.count() < movements and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    kept = logins(var)

    call_command("seed_demo")

    assert logins(var) == kept
    assert authenticate(username="support", password=kept["support"]["password"])
    money = {
        "receive",
        "transfer",
        "payment",
        "hold",
        "capture",
        "wrong_currency",
        "wait",
        "top_up",
        "cash_out",
        "odd_amount",
        "lost",
        "reverse",
        "spend",
        "asked_and_paid",
        "refund",
        "exchange",
    }
    planned = {step.key for step in demo_plan.steps(timezone.now()) if step.what in money}
    approved = Approval.objects.filter(state="approved").exclude(operation="revaluation")
    planned |= {f"approval-{one.pk}" for one in approved}
    # Those have keys of their own.
    made = Transaction.objects.exclude(idempotency_key__regex="^(standing-order:|payout-|revaluation-)")
    assert set(made.values_list("idempotency_key", flat=True)) == planned
    assert made.count() == len(planned)
    assert OrderRun.objects.filter(state="completed").count() >= 8
    assert set(Batch.objects.values_list("state", "posted")) == {("completed", 6), ("validated", 0)}
    assert Freeze.objects.count() == 2 and not OutboxEntry.objects.exists()
    assert set(Transaction.objects.exclude(quarantined_at=None).values_list("state", flat=True)) == {
        State.PROCESSING, State.UNKNOWN,
    }  # fmt: skip
    assert not Transaction.objects.filter(state=State.PROCESSING, quarantined_at=None).exists()
    assert_books_balance()


def url_of_the_test_database() -> str:
    url = urlsplit(os.environ["DATABASE_URL"])
    return url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@pytest.mark.django_db(transaction=True)
def test_when_the_file_is_lost_everybody_gets_a_new_password(var):
    call_command("seed_demo")
    old = logins(var)
    (var / "demo" / "logins.json").unlink()

    call_command("seed_demo")

    new = logins(var)
    assert new.keys() == old.keys()
    for name in new:
        assert new[name]["password"] != old[name]["password"]
        if new[name]["role"] == "customer":
            assert sign_in(name, new[name]["password"]).access_token
        else:
            assert authenticate(username=name, password=new[name]["password"])
            assert not authenticate(username=name, password=old[name]["password"])


@pytest.mark.django_db(transaction=True)
def test_who_has_no_code_yet_gets_one_and_who_took_another_app_into_use_keeps_it(var):
    call_command("seed_demo")
    old = logins(var)
    for login in old.values():
        login.pop("totp_secret", None)
    finance, own = User.objects.get(username="finance"), second_factor.new_secret()
    (var / "demo" / "logins.json").write_text(json.dumps(list(old.values())))

    call_command("seed_demo")
    made = logins(var)
    Totp.objects.filter(user=finance).update(secret=second_factor.seal(own, finance))
    call_command("seed_demo")

    assert logins(var) == made and {name: one["password"] for name, one in made.items()} == {
        name: one["password"] for name, one in old.items()
    }
    support = User.objects.get(username="support")
    assert second_factor.check_code(support, code_of(made["support"]["totp_secret"], int(time.time()))) == "app"
    assert second_factor.unseal(bytes(Totp.objects.get(user=finance).secret), finance) == own


@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_standard(seconds, code):
    """RFC 6238, appendix B, its last six digits."""
    assert code_of(base64.b32encode(b"12345678901234567890").decode(), seconds) == code


@pytest.mark.django_db(transaction=True)
def test_the_two_customers_can_pay_each_other(var, client):
    call_command("seed_demo")
    payer, payee = [login for login in logins(var).values() if login["role"] == "customer"]
    tokens = client.post(
        "/v1/auth/login",
        {"username": payer["username"], "password": payer["password"]},
        content_type="application/json",
    ).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    wallet = client.get("/v1/wallets", headers=headers).json()["data"][0]
    receiver = Wallet.objects.get(customer__email=payee["username"])
    before = posted(receiver)

    sent = client.post(
        "/v1/transfers",
        {"from_wallet_id": wallet["wallet_id"], "to": {"email": payee["username"]}, "amount": "100", "currency": "KES"},
        content_type="application/json", headers=headers | {"Idempotency-Key": key()},
    )  # fmt: skip

    assert sent.status_code == 201, sent.content
    assert posted(receiver) == before + 100_00
    assert_books_balance()
