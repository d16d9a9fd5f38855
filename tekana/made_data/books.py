"""The people, accounts and books of one country as they stand, and the rows that are written of what happens."""

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from typing import Any
from zoneinfo import ZoneInfo

from core.money import EXPONENTS
from tekana import demo_plan
from tekana.made_data import rows
from tekana.made_data.people import People
from tekana.made_data.plan import HOUSE, RAIL, SECOND, Flow, Plan, receipt
from tekana.made_data.rows import (
    NULL,
    boolean,
    document,
    instant,
    jsonb,
    length,
    row,
    shown,
    sized,
    small,
    text,
    uuid,
    uuid7,
    whole,
)
from transactions.tariff import Fee

CHUNK = 10_000  # transactions that are written at once
NOTIFIED_SHARE = 10  # of the period, the last tenth: older notifications have been cleared away
JOINED_BEFORE = 80  # of a hundred customers, those who were there when the period began
EARLIEST = timedelta(days=730)  # how long before the period the first of them joined
NO_LIMIT = 1 << 60

# What is sent, in what people round to (`demo_plan.ROUND`), the smaller the more often.
STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 50, 60, 80, 100, 150, 200)
OFTEN = (60, 90, 60, 70, 100, 40, 60, 90, 30, 50, 60, 16, 36, 24, 24, 12, 10, 12, 4, 3)
BANKS = ("wekeza", "amani", "jamii", "umoja", "soko")

ENTRY = Struct(">hiqiqi16sihiqi3siqiq").pack
NO_FACTS = jsonb(b"{}")
STAFF, WORKER, BY_RAIL, FILE = (text(one) for one in ("staff:1", "job:rail_calls", f"rail:{RAIL}", "job:partner-file"))
RAIL_FIELD = text(RAIL)
STATUS = {False: small(201), True: small(422)}
STATES = (
    "pending",
    "processing",
    "completed",
    "failed",
    "unknown",
    "cancelled",
    "expired",
    "partially_reversed",
    "reversed",
)
TYPES = {state: text(f"transaction.{state}") for state in STATES}
WORDS = {
    word: text(word)
    for word in (
        "", *STATES, "transfer", "payment", "top_up", "cash_out", "reversal", "placed", "captured", "voided", "expired",
        "processed", "email", "sent", "active", "suspended", "Wallet",
    )
}  # fmt: skip


class Books:
    """What there is at a moment, and the rows of what happens to it. ``write`` is handed a table's name and one COPY
    document at a time; ``limits`` are those of the day, by tier."""

    limits: list[list[int]]

    def __init__(
        self, plan: Plan, write: Callable[[str, bytes], Any], progress: Callable[[int], Any] = lambda made: None
    ) -> None:
        self.plan, self.write, self.progress = plan, write, progress
        self.throw = random.Random(f"{plan.seed}:{plan.country}:activity")  # noqa: S311 (the same throws every time)
        self.currency = plan.currency.encode()
        self.minor = EXPONENTS[plan.currency]
        self.step = demo_plan.ROUND[plan.country]
        self.amounts = [amount * self.step for amount in self.throw.choices(STEPS, OFTEN, k=4096)]
        self.zone = ZoneInfo(plan.zone)
        offset = datetime.fromtimestamp(plan.start // SECOND, UTC).astimezone(self.zone).utcoffset()
        self.offset = int((offset or timedelta()).total_seconds()) * SECOND  # none of these has summer time
        self.notify_from = plan.until - (plan.until - plan.start) // NOTIFIED_SHARE
        self.rows: dict[str, list[bytes]] = {table: [] for table in rows.COLUMNS}
        self.now = plan.start
        self.receipts = 0
        self.deliveries = plan.first_delivery
        self.minute, self.minute_shown = -1, ""
        self._people()
        self._accounts()
        # What is to happen: (when, a number that keeps the order, what, of which movement).
        self.due: list[tuple[int, int, Callable[..., Any], Any]] = []
        self.reversals: list[tuple[int, int, Flow]] = []
        self.number = 0
        self.open: dict[bytes, tuple[Flow, str, int, bytes, int]] = {}
        self.used: dict[int, dict[int, list[int]]] = {}
        self.used_today: dict[int, list[int]] = {}
        self.used_month: dict[int, int] = {}
        self.today = self.month = 0
        self.references = 0

    # --- Who there is -------------------------------------------------------------------------------------------------

    def _people(self) -> None:
        """Their ids, by position; who joined earlier has the smaller one."""
        plan, bits = self.plan, self.throw.getrandbits
        people = People(plan.country, plan.seed)
        before = max(plan.customers * JOINED_BEFORE // 100, min(plan.customers, 10))
        self.before, earliest = before, plan.start - int(EARLIEST.total_seconds()) * SECOND
        self.people = [people.next(position) for position in range(plan.customers)]
        self.joined, self.customer_ids, self.wallet_ids, self.callers = [], [], [], []
        later, period = max(plan.customers - before, 1), plan.until - plan.start
        for position in range(plan.customers):
            if position < before:
                at = earliest + (plan.start - earliest) * position // before
            else:
                at = plan.start + period * (position - before) // later
            at += bits(19)
            self.joined.append(at)
            self.customer_ids.append(uuid7(at, bits(62)))
            self.wallet_ids.append(uuid7(at + 1000, bits(62)))
            self.callers.append(sized(f"customer:{shown(self.customer_ids[-1])}".encode()))

    def _accounts(self) -> None:
        count = self.plan.customers
        self.posted, self.held, self.coming = [0] * count, [0] * count, [0] * count
        self.seq, self.hold_seq, self.last = [0] * count, [0] * count, [0] * count
        first = self.plan.first_account - len(HOUSE)
        self.house = {name: [first + at, 0, 0, 0] for at, name in enumerate(HOUSE)}  # id, posted, seq, last
        self.tiers = [person.tier for person in self.people]

    # --- The books ----------------------------------------------------------------------------------------------------

    def _journal(self, id: bytes, kind: str, at: int, reverses: bytes = b"", all_of_it: bool = False) -> None:
        moment = instant(at)
        self.rows["ledger_journal"].append(
            b"".join(
                (
                    b"\0\x08\0\0\0\x10",
                    id,
                    WORDS[kind],
                    sized(f"{kind}:{shown(id)}".encode()),
                    moment,
                    moment,
                    uuid(reverses) if reverses else NULL,
                    boolean(all_of_it),
                    NO_FACTS,
                )
            )
        )

    def _wallet(self, journal: bytes, position: int, side: int, amount: int, at: int) -> None:
        balance = self.posted[position] = self.posted[position] - side * amount
        seq = self.seq[position] = self.seq[position] + 1
        self.last[position] = at
        self.rows["ledger_entry"].append(
            ENTRY(
                8,
                8,
                self.plan.first_account + position,
                8,
                seq,
                16,
                journal,
                2,
                side,
                8,
                amount,
                3,
                self.currency,
                8,
                balance,
                8,
                at - rows.EPOCH_US,
            )
        )

    def _account(self, journal: bytes, name: str, side: int, amount: int, at: int) -> None:
        account = self.house[name]
        account[1] += side * amount if name == "rail" else -side * amount
        account[2] += 1
        account[3] = at
        self.rows["ledger_entry"].append(
            ENTRY(
                8,
                8,
                account[0],
                8,
                account[2],
                16,
                journal,
                2,
                side,
                8,
                amount,
                3,
                self.currency,
                8,
                account[1],
                8,
                at - rows.EPOCH_US,
            )
        )

    def _hold(self, id: bytes, position: int, kind: str, amount: int, remaining: int, at: int) -> None:
        held = self.held[position] = self.held[position] + (amount if kind == "placed" else -amount)
        seq = self.hold_seq[position] = self.hold_seq[position] + 1
        self.last[position] = at
        self.rows["ledger_holdevent"].append(
            row(
                whole(self.plan.first_account + position),
                whole(seq),
                uuid(id),
                WORDS[kind],
                whole(amount),
                whole(held),
                whole(remaining),
                NULL,
                instant(at),
            )
        )

    def _count(self, position: int, amount: int, count: int = 1, day: int = 0) -> None:
        """What leaves a wallet, or stays after all, against its limits of that day."""
        used = self.used_today if day in (0, self.today) else self.used.setdefault(day, {})
        so_far = used.setdefault(position, [0, 0])
        so_far[0] += amount
        so_far[1] += count
        self.used_month[position] = max(self.used_month.get(position, 0) + amount, 0)

    def _keep_usage(self, day: int) -> None:
        on = rows.day(day + date(1970, 1, 1).toordinal())
        kept = self.rows["transactions_usage"]
        for position, (amount, count) in self.used.pop(day).items():
            kept.append(row(uuid(self.wallet_ids[position]), on, whole(amount), rows.int4(4, count)))

    # --- Rows ---------------------------------------------------------------------------------------------------------

    def _receipt(self) -> bytes:
        self.receipts += 1
        return receipt(self.now, self.plan.number, self.receipts)

    def _decimal(self, amount: int) -> str:
        return f"{amount // 100}.{amount % 100:02}" if self.minor else str(amount)

    def _shown_at(self, at: int) -> str:
        minute, rest = divmod(at, 60 * SECOND)
        if minute != self.minute:
            self.minute = minute
            self.minute_shown = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")
        return f"{self.minute_shown}{rest // SECOND:02}.{rest % SECOND:06}Z"

    def _answer(
        self, id: bytes, number: bytes, amount: int, fee: int, state: str, at: int, payer: int, payee: int
    ) -> bytes:
        """What the customer was told, as `transactions/api` writes it."""
        start = (
            f'{{"transaction_id":"{shown(id)}","receipt":"{number.decode()}","amount":"{self._decimal(amount)}",'
            f'"fee":"{self._decimal(fee)}","currency":"{self.plan.currency}","status":"{state}",'
            f'"timestamp":"{self._shown_at(at)}",'
        )
        if payee < 0:
            return f'{start}"wallet_id":"{shown(self.wallet_ids[payer])}"}}'.encode()
        return (
            f'{start}"from_wallet_id":"{shown(self.wallet_ids[payer])}","to_wallet_id":"{shown(self.wallet_ids[payee])}",'
            f'"balance_after":"{self._decimal(self.posted[payer])}"}}'
        ).encode()

    def _facts(self, payer: int, payee: int, amount: int, fee: int, rule: Fee) -> bytes:
        """What the policies looked at, as the event keeps it."""
        parts = []
        if payer >= 0:
            most = [b"null" if limit == NO_LIMIT else b"%d" % limit for limit in self.limits[self.tiers[payer]]]
            day, month = self.used_today[payer][0], self.used_month[payer]
            parts.append(
                b'"payer": {"tier": %d, "movement": [%d, %b], "day": [%d, %b], "month": [%d, %b]}'
                % (self.tiers[payer], amount, most[0], day, most[1], month, most[2])
            )
        if payee >= 0:
            limit = self.limits[self.tiers[payee]][3]
            reached = self.posted[payee] + self.coming[payee] + amount
            parts.append(
                b'"payee": {"tier": %d, "balance": [%d, %b]}'
                % (self.tiers[payee], reached, b"null" if limit == NO_LIMIT else b"%d" % limit)
            )
        return (
            b'{"verdicts": {"customers_are_active": "ok", "session_is_live": "ok", "wallets_are_usable": "ok", '
            b'"within_limits": {%b}}, "fee": {"minor": %d, "flat": %d, "bps": %d}}'
            % (b", ".join(parts), fee, rule.flat, rule.bps)
        )

    def _event(
        self,
        id: bytes,
        transaction: bytes,
        before: str,
        after: str,
        actor: bytes,
        facts: bytes,
        at: int,
        reason: bytes = rows.EMPTY,
    ) -> None:
        self.rows["transactions_event"].append(
            b"".join(
                (
                    b"\0\x0a\0\0\0\x10",
                    id,
                    b"\0\0\0\x10",
                    transaction,
                    TYPES[after],
                    WORDS[before],
                    WORDS[after],
                    actor,
                    reason,
                    length(len(facts) + 1),
                    b"\x01",
                    facts,
                    sized(self.throw.getrandbits(128).to_bytes(16).hex().encode()),
                    instant(at),
                )
            )
        )

    def _transaction(
        self,
        flow: Flow,
        state: str,
        ended: int | None,
        *,
        refusal: str = "",
        reverses: bytes = b"",
        reversed_amount: int = 0,
        reason: str = "",
        rail_reference: bytes = b"",
        calls: int = 0,
        due: int | None = None,
    ) -> None:
        id, payer, payee = flow.id, flow.payer, flow.payee
        through_a_rail = flow.kind in ("top_up", "cash_out")
        if flow.kind == "cash_out":
            person = self.people[payer]
            to = jsonb(
                f'{{"bank_id": "{BANKS[payer % 5]}", "account_number": "0{person.phone_number[-9:]}", '
                f'"account_name": "{person.full_name}"}}'.encode()
            )
        else:
            to = NULL
        reference = NULL
        if flow.kind == "transfer" and flow.key[0] < 8:
            self.references += 1
            reference = sized(b"INV-%b-%d" % (self.plan.country.encode(), self.references))
        self.rows["transactions_transaction"].append(
            b"".join(
                (
                    b"\0\x1b\0\0\0\x10",
                    id,
                    b"\0\0\0\x0a",
                    flow.receipt,
                    WORDS[flow.kind],
                    WORDS[state],
                    uuid(self.wallet_ids[payer]) if payer >= 0 else NULL,
                    uuid(self.wallet_ids[payee]) if payee >= 0 else NULL,
                    whole(flow.amount),
                    whole(flow.fee),
                    b"\0\0\0\x03",
                    self.currency,
                    flow.memo or rows.EMPTY,
                    flow.caller,
                    reference,
                    b"\0\0\0\x20",
                    flow.key.hex().encode(),
                    b"\0\0\0\x40",
                    hashlib.sha256(id).hexdigest().encode(),
                    sized(flow.answer) if flow.answer else NULL,
                    STATUS[flow.born == "failed"] if flow.answer else NULL,
                    text(refusal) if refusal else rows.EMPTY,
                    uuid(reverses) if reverses else NULL,
                    whole(reversed_amount),
                    text(reason) if reason else rows.EMPTY,
                    RAIL_FIELD if through_a_rail else rows.EMPTY,
                    sized(rail_reference),
                    to,
                    instant(due),
                    small(calls),
                    instant(flow.at),
                    instant(ended),
                )
            )
        )

    def _call(
        self, flow: Flow, number: int, purpose: str, at: int, ended: int, outcome: str, asked: bytes, said: bytes
    ) -> None:
        self.rows["transactions_railcall"].append(
            row(
                uuid(uuid7(at, self.throw.getrandbits(62))),
                uuid(flow.id),
                small(number),
                text(purpose),
                instant(at),
                instant(ended),
                text(outcome),
                jsonb(asked),
                jsonb(said),
            )
        )

    def _notify(
        self, event: bytes, transaction: bytes, at: int, kind: str, told: int, other: int, flow: Flow, reason: str = ""
    ) -> None:
        """In the app, and by an e-mail that has been sent."""
        bits = self.throw.getrandbits
        title, body = self.plan.texts[f"{kind} with a fee" if flow.fee else kind]
        name = ""
        if other >= 0:
            first, *_, last = self.people[other].full_name.split(" ")
            name = f"{first} {last[0]}."
        facts = {
            "amount": f"{self.plan.currency} {self._decimal(flow.amount)}",
            "counterparty": name,
            "reason": reason,
            "fee": f"{self.plan.currency} {self._decimal(flow.fee)}",
            "receipt": flow.receipt.decode(),
        }
        written = at + SECOND + bits(20)
        id = uuid7(written, bits(62))
        self.rows["notifications_notification"].append(
            row(
                uuid(id),
                uuid(self.customer_ids[told]),
                uuid(event),
                uuid(transaction),
                text(kind),
                text(title.format(**facts)),
                text(body.format(**facts)),
                instant(written),
                instant(written + bits(35)) if bits(3) > 2 and written + (1 << 35) < self.plan.until else NULL,
            )
        )
        self.deliveries += 1
        sent = instant(written + SECOND)
        self.rows["notifications_delivery"].append(
            row(whole(self.deliveries), uuid(id), WORDS["email"], WORDS["sent"], small(1), sent, sent, rows.EMPTY)
        )

    def flush(self) -> None:
        for table, written in self.rows.items():
            if written:
                self.write(table, document(*written))
                written.clear()
