"""A member of staff for each role, and a small world for them to look at."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from core import failures
from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.links import declare_link
from customers.models import Customer, Session
from customers.reveals import reveal
from customers.tokens import start_session
from evidence.models import Check
from ledger.chart import receivable
from ledger.models import PeriodClose
from ledger.selectors import latest_proof
from ledger.services import keep_proof, open_account
from notes.services import write_note
from notifications.services import Notice, notify_many
from payments.services import NewRequest, Paying, create_request, pay_request
from payouts.models import Approver
from payouts.reading import read_json
from payouts.services import PayoutOrder, make_payout, paying_wallet
from recalls.models import Recall
from recalls.services import open_recall, withdraw
from reports.models import DailyProof, Export, IssuedPaper, SavedExport, SummedDay
from schedules.calendar import enter_day
from schedules.services import NewOrder, Schedule, create_order, skip_date
from staff import second_factor
from staff.approvals import request_approval
from staff.models import Approval, Totp, User
from staff.roles import Role
from tests.books import fund, key, transfer
from tests.evidence.conftest import seal_uncommitted
from tests.factories import empty_statement, new_wallet
from tests.fx.conftest import trade_currency
from tests.holding import held
from tests.standing import standing
from transactions.models import Event, Kind, RailMessage, Receivable, Revaluation, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services.fees import grant_waiver
from transactions.services.price_trials import request_trial
from transactions.services.reversals import reverse_transaction
from viewings.models import Viewing, ViewingEnd
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import freeze_wallet

PASSWORD = "correct horse battery staple"
SECRET = b"12345678901234567890"  # of every app in these tests
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def member(role: str, username: str = "") -> User:
    username = username or role
    about = {"full_name": f"{username.capitalize()} Person", "email": f"{username}@example.com"}
    return User.objects.create_user(username, PASSWORD, role, **about)


def client_of(user: User, **options: Any) -> Client:
    """Signed in, with both factors, without the doors: those have tests of their own."""
    client = Client(**options)
    client.force_login(user)
    session = client.session
    session["second_factor"] = "app"
    session.save()
    return client


def code_of(username: str) -> str:
    """What their app shows now, enrolled here if need be, and as if none of its codes had been used."""
    user = User.objects.get(username=username)
    Totp.objects.update_or_create(user=user, defaults={"secret": second_factor.seal(SECRET, user), "last_step": 0})
    return second_factor.app(SECRET).generate(int(time.time())).decode()


def sign_in(username: str = "support", client: Client | None = None, **how: Any) -> Client:
    """Through the doors: password, then the code of the app."""
    client = client or Client()
    code = code_of(username)
    assert client.post("/admin/login/", {"username": username, "password": PASSWORD}, **how).status_code == 302
    client.post("/admin/second-factor/", {"proof_code": code}, **how)
    return client


@standing
def staff() -> dict[str, User]:
    return {role: member(role) for role in Role.values}


@pytest.fixture
def support(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.SUPPORT])


@pytest.fixture
def finance(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.FINANCE])


@pytest.fixture
def checker(staff: dict[str, User]) -> Client:
    """Decides what finance and support ask for."""
    return client_of(staff[Role.FINANCE_CHECKER])


@pytest.fixture
def administrator(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.ADMINISTRATOR])


@dataclass
class World:
    """Wanjiku has sent John money, once in vain; her other wallet is frozen; one transfer was partly reversed, and
    support has asked for some more of it; the bank has said something that fits none of it."""

    wanjiku: Customer
    john: Customer
    wallet: Wallet
    johns: Wallet
    frozen: Wallet
    sent: Transaction
    refused: Transaction
    undone: Transaction
    odd: RailMessage
    asked: Approval
    recall: Recall

    def send(self, amount: int = 1_00, **extra: Any) -> Transaction:
        return posted_as(transfer(self.wallet, self.johns, amount, **extra))

    def through_a_rail(self, kind: str, amount: int) -> Transaction:
        """A top-up or cash-out of Wanjiku's that waits for the bank."""
        mine = {"payer" if kind == Kind.CASH_OUT else "payee": Address("wallet", str(self.wallet.pk))}
        bank = {"bank_id": "wekeza", "account_number": "0102030405", "account_name": "Wanjiku Kamau"}
        return posted_as(
            Movement(
                kind=kind, amount=amount, currency="KES", caller=self.wanjiku.principal, key=key(), rail="sandbox",
                owner=self.wanjiku.pk, destination=bank if kind == Kind.CASH_OUT else None, **mine,
            )
        )  # fmt: skip

    def promised(self, amount: int) -> Transaction:
        """Money of Wanjiku's that is set aside for somebody else."""
        return Transaction.objects.get(pk=held(self.wallet, new_wallet(), amount))


def posted_as(movement: Movement) -> Transaction:
    return Transaction.objects.get(pk=post_one(movement).transaction)


def odd_message(message_id: str, **fields: Any) -> RailMessage:
    said = {"type": "payment.succeeded", "reference": "<b>ours?</b>"}
    fields = {"payload": said, "note": "The reference is not one of ours."} | fields
    return RailMessage.objects.create(rail="sandbox", message_id=message_id, state=RailMessage.State.ODD, **fields)


@standing
def world(staff: dict[str, User]) -> World:
    wallet = new_wallet(full_name="Wanjiku Kamau", phone_number="+254712345678", email="wanjiku@example.com")
    johns = new_wallet(full_name="John Otieno", phone_number="+254712345679", email="john.otieno@example.com")
    frozen = new_wallet(wallet.customer, "USD")
    start_session(wallet.customer, user_agent="Tekana for Android")
    fund(wallet, 10_000_00)
    freeze_wallet(frozen, mode="both", reason="stolen phone", actor=staff[Role.SUPPORT])
    small = World(
        wallet.customer,
        johns.customer,
        wallet,
        johns,
        frozen,
        *[Transaction()] * 3,
        odd_message("msg_odd"),
        Approval(),
        Recall(),
    )
    small.undone = small.send(500_00)
    reverse_transaction(
        small.undone.pk,
        amount=200_00,
        reason_code="fraud",
        note="case 7",
        actor=staff[Role.SUPPORT],
        idempotency_key="reverse-1234567890",
    )
    small.asked = request_approval(
        "reversal", {"transaction": small.undone.pk, "amount_minor": 100_00, "reason_code": "fraud"},
        maker=staff[Role.SUPPORT], reason="case 7, the rest of it",
    )  # fmt: skip
    small.sent = small.send(1_000_00, memo="rent", reference="INV-2026-77")
    write_note(small.sent, "She asked what it was for.", actor=staff[Role.SUPPORT], key="note-1234567890")
    small.refused = small.send(90_000_00)
    asks = CustomerPrincipal(johns.customer_id, johns.customer_id)
    create_request(
        NewRequest(wallet_id=johns.pk, currency="KES", amount=250_00, description="Beans", order_reference="A-17"),
        actor=asks,
    )  # fmt: skip
    somebody, stall = new_wallet(full_name="Zawadi Achieng"), new_wallet(full_name="Imani Wairimu")
    fund(somebody, 5_00)
    bill = create_request(
        NewRequest(wallet_id=stall.pk, currency="KES", amount=5_00),
        actor=CustomerPrincipal(stall.customer_id, stall.customer_id),
    )
    pays = CustomerPrincipal(somebody.customer_id, Session.objects.create(customer=somebody.customer).pk)
    pay_request(bill, Paying(from_wallet_id=somebody.pk), actor=pays, idempotency_key=key(), post=post_one).or_raise()
    small.recall = open_recall(
        small.sent.pk, amount=50_00, reason_code="wrong_recipient", note="ticket 9", actor=staff[Role.SUPPORT]
    )
    withdraw(small.recall.pk, actor=staff[Role.SUPPORT], note="She found the rent contract.")
    reveal(johns.customer, actor=staff[Role.SENIOR_SUPPORT], because="identify", reason="ticket 10")
    event = Event.objects.filter(transaction=small.sent).first()
    facts = {"amount": "KES 1,000.00", "counterparty": "John O.", "receipt": small.sent.receipt, "fee": "KES 0.00"}
    trade_currency(wallet.customer.principal)
    notify_many([Notice(event.pk, wallet.customer_id, small.sent.pk, "money_sent", facts)])
    SummedDay.objects.create(day=date(2026, 1, 31), entries=0)
    grant_waiver(
        customer=wallet.customer, kind="payment", currency="KES", bps=0, effective_from=now().date(),
        last_day=now().date(), actor=None, reason="ended",
    )  # fmt: skip
    PeriodClose.objects.create(closed_before=LONG_AGO, closed_at=now(), closed_by="job:opening", note="opening")
    keep_proof(at=datetime(2026, 2, 1, 1, tzinfo=UTC), findings=[], counts={"entries": 0}, milliseconds=7)
    books = latest_proof()
    assert books is not None
    DailyProof.objects.create(
        day=date(2026, 1, 31), ok=True, figures=[], findings=[], books_id=books[0], sha256="0" * 64
    )
    IssuedPaper.objects.create(
        number="0000000000", kind="trial_balance", title="Trial balance", about={}, data_sha256="0" * 64,
        file_sha256="0" * 64, pages=1, made_by=staff[Role.FINANCE], made_at=datetime(2026, 2, 1, tzinfo=UTC),
    )  # fmt: skip
    tomorrow = date.today() + timedelta(days=1)
    weekly = NewOrder(
        from_wallet_id=wallet.pk, to=Address("phone", johns.customer.phone_number), amount=Money(20_00, "KES"),
        memo="chama", schedule=Schedule(frequency="weekly", start_on=tomorrow),
    )  # fmt: skip
    hers = CustomerPrincipal(wallet.customer_id, wallet.customer.sessions.latest("id").pk)
    order, _ = create_order(weekly, actor=hers, idempotency_key="weekly-1234567890")
    skip_date(order.pk, tomorrow, actor=hers)
    file = read_json([{"to": str(johns.pk), "amount": "5.00", "name": "John", "memo": "casual work"}], "KES")
    paying, salaries = paying_wallet(hers.id, wallet.pk), PayoutOrder(wallet_id=wallet.pk, label="casual work")
    make_payout(salaries, file, paying, actor=hers, idempotency_key="payout-1234567890", shown=lambda batch: {})
    Approver.objects.create(business=wallet.customer, approver=johns.customer, invited_at=now())
    Revaluation.objects.create(day=date(2026, 1, 31), currency="USD", approval=small.asked)
    enter_day("KE", date(tomorrow.year, 12, 31), "Day of mourning", actor=None)
    seal_uncommitted()
    Check.objects.create(
        at=datetime(2026, 2, 1, 2, tzinfo=UTC), ok=True, scope="blocks 1 to 2", blocks=2, rows=100, head=2, findings=[],
        milliseconds=12,
    )  # fmt: skip
    saved = {"name": "Failed ones", "subject": "transactions", "format": "csv", "is_shared": True}
    SavedExport.objects.create(**saved, owner=staff[Role.FINANCE])
    Export.objects.create(subject="transactions", format="csv", requested_by=staff[Role.FINANCE])
    code = receivable(small.sent.pk, "KES")
    Receivable.objects.create(
        transaction=small.sent, debtor=small.johns, account_id=open_account(code, "KES", 1, floor=0), currency="KES",
        opened_at=now(),
    )  # fmt: skip
    tried = {"kind": "transfer", "currency": "KES", "flat": 10_00, "bps": 0}
    request_trial(tried, days=7, actor=staff[Role.FINANCE], key=uuid7())
    empty_statement(wallet)
    seen = Viewing.objects.create(
        customer=small.john, agent=staff[Role.SUPPORT], role=Role.SUPPORT, why="complaint", note="ticket 3",
        session_began_at=LONG_AGO, started_at=LONG_AGO, ends_at=LONG_AGO + timedelta(minutes=15),
    )  # fmt: skip
    ViewingEnd.objects.create(viewing=seen, at=LONG_AGO + timedelta(minutes=4), how="done")
    declare_link(staff[Role.AUDITOR], small.john, relation="family", actor=staff[Role.AUDITOR])
    failures.give_up("daily_job", [failures.Given("0", {"job": "settle", "day": "2026-01-31"}, 3)])
    return small


@pytest.fixture
def count(statements: list[str]) -> Callable[[Client, str], int]:
    """How many statements a page takes; it must answer 200."""

    def counted(client: Client, url: str) -> int:
        client.get(url)  # content types and the like are read once per process
        statements.clear()
        response = client.get(url)
        assert response.status_code == 200, response.status_code
        return len(statements)

    return counted
