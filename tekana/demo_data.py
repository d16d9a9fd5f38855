"""What `make demo` shows: staff who may sign in, sixty customers in seven countries, and their first thirty days.

Everything goes the way it goes in earnest: movements through `posting.post`, top-ups and cash-outs through the services
of the rail with a bank that answers in this process (`PilotBank`), freezes, suspensions and reversals by the support
agent, and the relay tells customers of it. Only the clock is the demo's own (`demo_clock.py`). The plan
(`demo_plan.py`) is the same every time and each of its steps can be repeated, so that an interrupted run is finished by
the next one.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone

import fx.services
import payouts.running
import payouts.services
import staff.services
from core import audit
from core.ids import uuid7
from core.money import Money, decimal_string
from customers.authentication import CustomerPrincipal
from customers.models import Customer, CustomerState, Session
from customers.services import Newcomer, suspend_customer
from ledger import chart
from ledger.selectors import balance_at
from ledger.services import SETTLES_IN
from notes.services import write_note
from notifications.services import deliver_due, mark_read
from payments.models import PaymentRequest
from payments.services import NewRequest, Paying, create_request, pay_request
from payouts.approvers import accept, name_approver
from payouts.models import Approver, Batch
from payouts.reading import read_json
from payouts.services import PayoutOrder, make_payout, paying_wallet
from recalls.services import open_recall
from schedules.models import StandingOrder
from schedules.running import run_standing_orders
from schedules.selectors import today_in
from schedules.services import NewOrder, Schedule, create_order, pause_order
from staff import second_factor
from staff.approvals import approve, request_approval
from staff.models import Approval, Totp, User
from staff.roles import Role
from statements.models import Language
from statements.services import choose, make_due
from tekana import demo_fx
from tekana import demo_plan as plan
from tekana.demo_clock import Clock, clock_set_to
from tekana.demo_plan import Person, Step
from tekana.embedded.processes import write_whole
from transactions.approvals import adjustment, owed_reversal, reversal
from transactions.models import Kind, RailMessage, Receivable, Revaluation, State, Transaction
from transactions.movements import Movement, Outcome
from transactions.posting import post_one
from transactions.proving import prove
from transactions.quotes import QuoteClaim
from transactions.rails.base import Accepted, Completed, Failed, InProgress, Instruction, NoAnswer, NotKnown, Refused
from transactions.rails.sandbox import SandboxRail
from transactions.revaluation_approvals import revaluation
from transactions.services import rail_calls, rail_messages
from transactions.services.holds import void_hold
from transactions.services.refunds import refund_payment
from transactions.services.relay import relay_events
from transactions.services.reversals import preview_reversal, reverse_transaction
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import freeze_wallet, lift_freeze, onboard_many, open_wallet

CALLER = "job:demo"
RAIL = "sandbox"


# --- Who may sign in -------------------------------------------------------------------------------------------------
class Login(NamedTuple):
    """``totp_secret`` (base32) and the address for an app's QR code are those of staff."""

    role: str
    username: str
    password: str
    totp_secret: str = ""
    otpauth: str = ""

    @property
    def kept(self) -> dict[str, str]:
        return {name: value for name, value in self._asdict().items() if value}


def logins_file() -> Path:
    return Path(settings.VAR_DIR) / "demo" / "logins.json"


def make_logins() -> list[Login]:
    """One member of staff for each role, made where missing, and the two customers (whom `load` makes).

    Passwords and secrets of second factors are random and kept in a file that its owner alone may read. Who is in the
    file keeps theirs; who is not, because the file was lost, gets new ones.
    """
    kept: dict[str, Login] = {}
    with suppress(FileNotFoundError):
        kept = {login["username"]: Login(**login) for login in json.loads(logins_file().read_text())}
    people = [(str(role), str(role)) for role in plan.STAFF] + [("customer", name) for name in plan.SIGN_IN]
    logins = [kept.get(name) or Login(role, name, _new_password(role, name)) for role, name in people]
    unseen = {login.username for login in logins if login.role != "customer" and not login.totp_secret}
    logins = [_with_secret(login) if login.username in unseen else login for login in logins]
    # Before anybody is made: a password that works is never unknown.
    write_whole(logins_file(), json.dumps([login.kept for login in logins], indent=2) + "\n")
    for (role, full_name), login in zip(plan.STAFF.items(), logins, strict=False):
        if not User.objects.filter(username=login.username).exists():
            staff.services.create_staff(
                username=login.username, full_name=full_name, role=role, password=login.password, actor=None,
                email=f"{login.username}@staff.example.com",
            )  # fmt: skip
        _enrol(User.objects.get(username=login.username), login, anew=login.username in unseen)
    return logins


def _with_secret(login: Login) -> Login:
    secret = second_factor.new_secret()
    address = second_factor.address_of(secret, User(username=login.username))
    return login._replace(totp_secret=base64.b32encode(secret).decode(), otpauth=address)


def _enrol(user: User, login: Login, *, anew: bool) -> None:
    """Their app, as if they had scanned its code; whoever has taken another one into use keeps that."""
    if second_factor.factors_of(user).is_enrolled and not anew:
        return
    sealed = second_factor.seal(base64.b32decode(login.totp_secret), user)
    Totp.objects.update_or_create(user=user, defaults={"secret": sealed, "last_step": 0})
    audit.record(actor=None, action="enrol_app", subject=user, after={"app": "of the demo's logins.json"})


def _new_password(role: str, username: str) -> str:
    """For somebody who is not there yet, or whose password nobody knows any more."""
    if role == "customer":
        password = staff.services.new_password()
        Customer.objects.filter(email=plan.SIGN_IN[username].email).update(password=make_password(password))
        return password
    if user := User.objects.filter(username=username).first():
        return staff.services.reset_password(user, reason="The demo's logins.json was lost.")
    return staff.services.new_password()


# --- What happened ---------------------------------------------------------------------------------------------------
def load(logins: Iterable[Login], progress: Callable[[list[Step]], Iterable[Step]] = iter) -> bool:
    """Live through the pilot's month, once; whether there was anything left of it.

    Args:
        progress: given the steps, gives them back one by one.
    """
    demo_fx.load(timezone.now().date())
    if Transaction.objects.filter(caller=CALLER, idempotency_key=plan.LAST).exists():
        return False
    steps = plan.steps(timezone.now())
    passwords = {
        plan.SIGN_IN[one.username].email: make_password(one.password) for one in logins if one.role == "customer"
    }
    with clock_set_to(steps[0].at) as clock, outside_world():
        with connection.cursor() as cursor:  # what a crash of the machine takes with it, the next run does again
            cursor.execute("SET synchronous_commit = off")
        pilot, day = Pilot(clock, passwords), steps[0].at.date()
        for step in progress(steps):
            if step.at.date() > day:
                tell_customers()
                day = step.at.date()
            clock.set(step.at)
            getattr(pilot, step.what)(step.key, **step.about)
        tell_customers()
    prove()
    return True


def tell_customers() -> None:
    relay_events()
    deliver_due()


def _named(batch: Batch) -> dict[str, Any]:
    return {"payout_id": batch.pk}


class Pilot:
    """Carries out the plan. Each method is one kind of step; with the same key it may be called again."""

    def __init__(self, clock: Clock, passwords: Mapping[str, str]) -> None:
        self.clock, self.passwords = clock, passwords
        self.support = User.objects.get(username="support")
        self.ids: dict[str, UUID] = {}

    def join(self, key: str, people: list[Person]) -> None:
        """People of one country and tier."""
        country, tier = people[0].country, people[0].tier
        newcomers = [
            Newcomer(
                full_name=one.full_name, email=one.email, phone_number=one.phone_number, account_type=one.account_type,
                password=self.passwords.get(one.email, ""),
            )
            for one in people
        ]  # fmt: skip
        onboard_many(newcomers, country=country, currency=plan.CURRENCY[country], tier=tier, actor=CALLER)
        addresses = [one.email for one in people]
        self.ids |= dict(Customer.objects.filter(email__in=addresses).values_list("email", "pk"))

    # money
    def receive(self, key: str, payee: Person, amount: int, memo: str) -> None:
        """The bank's file says that it has come in."""
        self._post(key, Kind.TOP_UP, amount, payee, payee=_of(payee), memo=memo, rail=RAIL, settled=True, caller=CALLER)

    def transfer(self, key: str, payer: Person, payee: Person | str, amount: int, memo: str = "") -> None:
        number = payee if isinstance(payee, str) else payee.phone_number
        self._post(key, Kind.TRANSFER, amount, payer, payer=_of(payer), payee=Address("phone", number), memo=memo)

    def payment(self, key: str, payer: Person, payee: Person, amount: int, memo: str) -> None:
        self._post(key, Kind.PAYMENT, amount, payer, payer=_of(payer), payee=_of(payee), memo=memo)

    def hold(self, key: str, payer: Person, payee: Person, amount: int, memo: str) -> None:
        self._post(key, Kind.HOLD, amount, payer, payer=_of(payer), payee=_of(payee), memo=memo)

    def capture(self, key: str, payer: Person, payee: Person, hold: str, amount: int, final: bool) -> None:
        promised = self._paid(payer, hold)
        if promised.state != State.FAILED:
            self._post(
                key, Kind.PAYMENT, amount, payee, payer=_of(payer), payee=_of(payee), memo=promised.memo,
                hold=promised.pk, final=final,
            )  # fmt: skip

    def void(self, key: str, payer: Person, payee: Person, hold: str) -> None:
        promised = self._paid(payer, hold)
        if promised.state == State.PENDING:
            void_hold(promised.pk, actor=CustomerPrincipal(self.ids[payee.email], uuid7()))

    def wrong_currency(self, key: str, payer: Person, payee: Person, amount: int, currency: str) -> None:
        wallets = [Address("wallet", str(self._wallet(one).pk)) for one in (payer, payee)]
        self._post(key, Kind.TRANSFER, amount, payer, payer=wallets[0], payee=wallets[1], currency=currency)

    def wait(self, key: str, kind: Kind, who: Person, amount: int) -> Outcome:
        """Asked for, and not taken to the bank yet."""
        if kind == Kind.TOP_UP:
            return self._post(key, kind, amount, who, payee=_of(who), rail=RAIL)
        account = {"bank_id": "wekeza", "account_number": f"0{who.phone_number[-9:]}", "account_name": who.full_name}
        return self._post(key, kind, amount, who, payer=_of(who), rail=RAIL, destination=account)

    def top_up(self, key: str, payee: Person, amount: int) -> None:
        self._carry_out(self.wait(key, Kind.TOP_UP, payee, amount))

    def cash_out(self, key: str, payer: Person, amount: int, called_back: bool = True) -> None:
        self._carry_out(self.wait(key, Kind.CASH_OUT, payer, amount), called_back)

    def odd_amount(self, key: str, payer: Person, amount: int) -> None:
        """The bank says that it has paid out something else: nobody decides that but a person."""
        outcome = self.wait(key, Kind.CASH_OUT, payer, amount - amount % 1_000 + PilotBank.ODD)
        self._carry_out(outcome, called_back=False)
        self._ask_bank(outcome, after=timedelta(minutes=2))

    def lost(self, key: str, payer: Person, amount: int) -> None:
        """Three workers died in the middle of a call: what became of it is not known."""
        outcome = self.wait(key, Kind.CASH_OUT, payer, amount - amount % 1_000 + PilotBank.DEADLY)
        self._carry_out(outcome, called_back=False)
        for _ in range(rail_calls.LOST_CALLS):
            self._ask_bank(outcome, after=timedelta(minutes=1))

    # what the support agent does
    def freeze(self, key: str, of: Person, mode: str, reason: str) -> None:
        wallet = self._wallet(of)
        if not wallet.freezes.filter(reason=reason).exists():
            freeze_wallet(wallet, mode=mode, reason=reason, actor=self.support)

    def lift(self, key: str, of: Person, reason: str) -> None:
        for freeze in self._wallet(of).freezes.filter(lifted_at=None):
            lift_freeze(freeze, actor=self.support, reason=reason)

    def suspend(self, key: str, who: Person, reason: str) -> None:
        customer = Customer.objects.get(pk=self.ids[who.email])
        if customer.state == CustomerState.ACTIVE:
            suspend_customer(customer, actor=self.support, reason=reason)

    def reverse(self, key: str, payer: Person, original: str, amount: int | None, reason_code: str, note: str) -> None:
        if Transaction.objects.filter(caller=self.support.principal, idempotency_key=key).exists():
            return
        txn = self._paid(payer, original)
        reverse_transaction(
            txn.pk, amount=amount, reason_code=reason_code, note=note, actor=self.support, idempotency_key=key
        )

    def ask(self, key: str, payer: Person, original: str, amount: int, reason_code: str, note: str) -> None:
        """For approval of a reversal that is too much for one person."""
        txn = self._paid(payer, original)
        if not Approval.objects.filter(subject_id=str(txn.pk)).exists():
            params = {"transaction": txn.pk, "amount_minor": amount, "reason_code": reason_code}
            request_approval(reversal.name, params, maker=self.support, reason=note)

    def claim(self, key: str, payer: Person, original: str, reason_code: str, note: str) -> None:
        """A recall: the sender wants it back, and the recipient is asked."""
        txn = self._paid(payer, original)
        if not txn.recalls.exists():
            open_recall(txn.pk, reason_code=reason_code, note=note, actor=self.support)

    def spend(self, key: str, payer: Person, payee: Person, leave: int) -> None:
        """All that is there but a little."""
        wallet = self._wallet(payer)
        there = balance_at(wallet.account_id)
        if there.posted - there.held > leave:
            self.transfer(key, payer, payee, there.posted - there.held - leave)

    def owe(self, key: str, payer: Person, original: str, reason_code: str, note: str) -> None:
        """The sender gets all of it back and the recipient owes what is not there any more, as finance decides."""
        txn = self._paid(payer, original)
        if Receivable.objects.filter(transaction=txn).exists():
            return
        lacking = preview_reversal(txn.pk, reason_code=reason_code, actor=self.support).shortfall
        params = {"transaction": txn.pk, "amount_minor": txn.amount, "reason_code": reason_code, "owed_minor": lacking}
        asked = Approval.objects.filter(operation=owed_reversal.name, subject_id=str(txn.pk)).first()
        asked = asked or request_approval(owed_reversal.name, params, maker=self.support, reason=note)
        approve(asked.pk, comment="He has said that he pays.", actor=User.objects.get(username=Role.FINANCE_CHECKER))

    def note(self, key: str, payer: Person, original: str, text: str) -> None:
        write_note(self._paid(payer, original), text, actor=self.support, key=key)

    def goodwill(self, key: str, payee: Person, amount: int, reason: str) -> None:
        """An adjustment that waits for a second person."""
        currency = plan.CURRENCY[payee.country]
        params = {
            "debit": chart.adjustments(currency), "credit": chart.wallet_account(self._wallet(payee).pk),
            "amount_minor": amount, "currency": currency,
        }  # fmt: skip
        self._adjust(params, reason)

    def own_money(self, key: str, amount: int, currency: str, reason: str) -> None:
        """It covers what customers buy of a currency; two people say so."""
        params = {
            "debit": chart.rail_float(RAIL, currency), "credit": chart.adjustments(currency), "amount_minor": amount,
            "currency": currency,
        }  # fmt: skip
        asked = self._adjust(params, reason)
        if asked.state == Approval.State.OPEN:
            checker = User.objects.get(username=Role.FINANCE_CHECKER)
            approve(asked.pk, comment="As the bank's letter says.", actor=checker)

    def standing_order(
        self, key: str, payer: Person, payee: Person, amount: int, memo: str, frequency: str, rule: str = "same",
        month_day: int | None = None, runs: int | None = None,
    ) -> None:  # fmt: skip
        """From tomorrow on."""
        wallet = self._wallet(payer)
        if StandingOrder.objects.filter(customer=wallet.customer_id, idempotency_key=key).exists():
            return
        tomorrow = today_in(wallet.customer.country) + timedelta(days=1)
        schedule = Schedule(frequency=frequency, start_on=tomorrow, month_day=month_day, rule=rule, runs=runs)
        asked = NewOrder(
            from_wallet_id=wallet.pk, to=_of(payee), amount=Money(amount, wallet.currency), memo=memo,
            schedule=schedule, retries=1, retry_hours=12,
        )  # fmt: skip
        create_order(asked, actor=CustomerPrincipal(wallet.customer_id, uuid7()), idempotency_key=key)

    def pause(self, key: str, payer: Person, order: str) -> None:
        row = StandingOrder.objects.get(customer=self.ids[payer.email], idempotency_key=order)
        pause_order(row.pk, actor=CustomerPrincipal(row.customer_id, uuid7()))

    def approver(self, key: str, business: Person, approver: Person) -> None:
        """Named by a business, and willing."""
        owner, other = self.ids[business.email], self.ids[approver.email]
        if not Approver.objects.filter(business=owner, approver=other).exists():
            row = name_approver(Address("email", approver.email), actor=CustomerPrincipal(owner, uuid7()))
            accept(row.pk, actor=CustomerPrincipal(other, uuid7()))

    def payout(
        self, key: str, payer: Person, payees: list[Person], amount: int, label: str, approver: Person | None
    ) -> None:
        """Sent in as a file; approved and paid, or left for whoever approves."""
        wallet = paying_wallet(self.ids[payer.email], self._wallet(payer).pk)
        said = decimal_string(amount, wallet.currency)
        rows = [{"to": one.phone_number, "amount": said, "name": one.full_name, "memo": label} for one in payees]
        order, file = PayoutOrder(wallet_id=wallet.pk, label=label), read_json(rows, wallet.currency)
        owner = CustomerPrincipal(wallet.customer_id, uuid7())
        told = make_payout(order, file, wallet, actor=owner, idempotency_key=key, shown=_named)
        if approver:
            payout = UUID(json.loads(told.body)["payout_id"])
            by = CustomerPrincipal(self.ids[approver.email], uuid7())
            payouts.services.approve(payout, actor=by, idempotency_key=f"{key}-approve", shown=_named)
            payouts.running.run(payout)

    def ask_for(self, key: str, payee: Person, amount: int | None, description: str, **asked: Any) -> PaymentRequest:
        """A payment request."""
        wallet = self._wallet(payee)
        rows = PaymentRequest.objects.filter(wallet=wallet, description=description)
        return rows.first() or create_request(
            NewRequest(wallet_id=wallet.pk, currency=wallet.currency, amount=amount, description=description, **asked),
            actor=CustomerPrincipal(wallet.customer_id, uuid7()),
        )

    def asked_and_paid(self, key: str, payer: Person, pays: int | None = None, **asked: Any) -> None:
        """One that somebody paid, or wants to, where it is to be confirmed."""
        paying = Paying(from_wallet_id=self._wallet(payer).pk, amount=pays)
        request = self.ask_for(key, **asked)
        pay_request(request, paying, actor=self._signed_in(payer), idempotency_key=key, post=post_one)

    def refund(self, key: str, payee: Person, payer: Person, original: str, amount: int, reason: str) -> None:
        """By the merchant: a part of what was paid."""
        paid, by = self._paid(payer, original), self._signed_in(payee)
        refund_payment(paid.pk, amount=amount, memo=reason, actor=by, idempotency_key=key)

    def exchange(self, key: str, who: Person, sell: str, amount: int, buy: str) -> None:
        """From their wallet in one currency into the one in the other, which is opened where there is none."""
        caller, given = self._caller(who), self._wallet(who, sell)
        if Transaction.objects.filter(caller=caller, idempotency_key=key).exists():
            return
        if not Wallet.objects.filter(customer=given.customer_id, currency=buy, closed_at=None).exists():
            open_wallet(given.customer, buy, actor=None)
        offer = fx.services.quote(caller=caller, sell=sell, buy=buy, sell_minor=amount, tier=who.tier)
        into = self._wallet(who, buy)
        self._post(
            key, Kind.CONVERSION, offer.sell_minor - offer.fee_minor, who, currency=sell,
            payer=Address("wallet", str(given.pk)), payee=Address("wallet", str(into.pk)),
            received=offer.buy_minor, received_currency=buy, claim=QuoteClaim(offer.pk),
        )  # fmt: skip

    def revalue(self, key: str, reason: str) -> None:
        """Our positions at the end of the last day that is over, by two people."""
        if Revaluation.objects.exists():
            return
        day = (self.clock.now - SETTLES_IN).date() - timedelta(days=1)
        finance, checker = (User.objects.get(username=role) for role in (Role.FINANCE, Role.FINANCE_CHECKER))
        asked = Approval.objects.filter(operation=revaluation.name, state=Approval.State.OPEN).first()
        asked = asked or request_approval(revaluation.name, {"day": day}, maker=finance, reason=reason)
        approve(asked.pk, comment="The rates are those of the day.", actor=checker)

    def round(self, key: str) -> None:
        """Of the clock: standing orders and statements that are due."""
        run_standing_orders()
        make_due()

    def statements(self, key: str, who: Person, every: str, file_format: str) -> None:
        """They have them sent from now on."""
        wallet, actor = self._wallet(who), self._signed_in(who)
        choose(wallet, every=every, file_format=file_format, language=Language.ENGLISH, actor=actor)

    def read(self, key: str, who: Person) -> None:
        mark_read(self.ids[who.email])

    # how
    def _caller(self, person: Person) -> str:
        return f"customer:{self.ids[person.email]}"

    def _paid(self, payer: Person, original: str) -> Transaction:
        return Transaction.objects.get(caller=self._caller(payer), idempotency_key=original)

    def _wallet(self, person: Person, currency: str = "") -> Wallet:
        """In the currency of their country, unless another is asked for."""
        currency = currency or plan.CURRENCY[person.country]
        return Wallet.objects.get(customer=self.ids[person.email], currency=currency, closed_at=None)

    def _signed_in(self, person: Person) -> CustomerPrincipal:
        sessions = Session.objects.filter(customer=self.ids[person.email], revoked_at=None)
        session = sessions.first() or Session.objects.create(customer_id=self.ids[person.email])
        return CustomerPrincipal(session.customer_id, session.pk)

    def _adjust(self, params: dict[str, Any], reason: str) -> Approval:
        asked = Approval.objects.filter(operation=adjustment.name, reason=reason).first()
        finance = User.objects.get(username=Role.FINANCE)
        return asked or request_approval(adjustment.name, params, maker=finance, reason=reason)

    def _post(self, key: str, kind: str, amount: int, who: Person, **fields: Any) -> Outcome:
        fields = {"caller": self._caller(who), "currency": plan.CURRENCY[who.country]} | fields
        return post_one(Movement(kind=kind, amount=amount, key=key, owner=self.ids[who.email], **fields))

    def _carry_out(self, outcome: Outcome, called_back: bool = True) -> None:
        """The worker takes it to the bank; a while later the bank calls back."""
        if outcome.error or outcome.transaction is None:
            return
        self._pass(timedelta(seconds=2))
        with suppress(WorkerLost):
            rail_calls.submit_to_rail(outcome.transaction)
        if not called_back or Transaction.objects.get(pk=outcome.transaction).state != State.PROCESSING:
            return
        self._pass(timedelta(seconds=5 + outcome.amount % 40))
        said, _ = RailMessage.objects.get_or_create(
            rail=RAIL, message_id=f"msg_{outcome.transaction.hex}", defaults={"payload": PilotBank.report(outcome)}
        )
        rail_messages.process(said.pk)

    def _ask_bank(self, outcome: Outcome, after: timedelta) -> None:
        self._pass(after)
        assert outcome.transaction is not None
        with suppress(WorkerLost):
            rail_calls.inquire(outcome.transaction)

    def _pass(self, time: timedelta) -> None:
        self.clock.set(self.clock.now + time)


def _of(person: Person) -> Address:
    return Address("email", person.email)


# --- The outside world -----------------------------------------------------------------------------------------------
class WorkerLost(Exception):
    """Stands for a process that died during a call."""


class PilotBank(SandboxRail):
    """The sandbox bank as it answered during the pilot's month: without HTTP, and at once.

    The amount's last three digits decide, as in `sandbox_server.MAGIC`; 911 kills the worker.
    """

    REFUSED, FAILS, SILENT, ODD, DEADLY = 901, 902, 905, 908, 911

    def submit(self, instruction: Instruction) -> Accepted | Refused:
        match instruction.amount_minor % 1_000:
            case self.REFUSED:
                return Refused("insufficient_funds_at_bank", "The account at the bank does not cover it.")
            case self.SILENT:
                raise NoAnswer("TimeoutError")
            case self.DEADLY:
                raise WorkerLost
        return Accepted(rail_reference=_reference(instruction.reference))

    def inquire(self, reference: str) -> Completed | Failed | InProgress | NotKnown:
        txn = Transaction.objects.get(pk=reference)
        match txn.amount % 1_000:
            case self.ODD:
                return Completed(_reference(reference), txn.amount + 1, txn.currency)
            case self.DEADLY:
                raise WorkerLost
        raise NoAnswer("TimeoutError")

    @classmethod
    def report(cls, outcome: Outcome) -> dict[str, Any]:
        """What the bank says when it has carried out an instruction, or could not."""
        failed = outcome.amount % 1_000 == cls.FAILS
        return {
            "reference": str(outcome.transaction), "rail_reference": _reference(str(outcome.transaction)),
            "status": "failed" if failed else "completed", "code": "account_closed" if failed else "",
            "amount_minor": outcome.amount, "currency": outcome.currency,
        }  # fmt: skip


def _reference(ours: str) -> str:
    return f"SB{ours[-10:].upper()}"


@contextmanager
def outside_world() -> Iterator[None]:
    """Within this block, in this process alone: the rail ``sandbox`` is `PilotBank`, e-mails of the past go nowhere,
    and a quarantine that belongs to the plan alarms nobody."""
    changed = {"RAILS": settings.RAILS, "EMAIL_BACKEND": settings.EMAIL_BACKEND}
    calls, level = logging.getLogger(rail_calls.__name__), logging.getLogger(rail_calls.__name__).level
    settings.RAILS = settings.RAILS | {RAIL: settings.RAILS[RAIL] | {"client": "tekana.demo_data.PilotBank"}}
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    calls.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        calls.setLevel(level)
        for name, value in changed.items():
            setattr(settings, name, value)
