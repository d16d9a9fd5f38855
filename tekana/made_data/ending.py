"""How everything stands at the end of the period: the rows of people, wallets and accounts."""

from heapq import heappop

from ledger.chart import CREDIT, fee_income, rail_float, type_of
from tekana.made_data import rows
from tekana.made_data.books import CHUNK, WORDS, Books
from tekana.made_data.plan import HOUSE, RAIL, SECOND
from tekana.made_data.rows import NULL, boolean, instant, row, shown, sized, small, text, uuid, uuid7, whole

NOBODY_SIGNS_IN = text("!")


class Ending(Books):
    """Writes down what is left when the period is over."""

    def _end(self) -> None:
        """What is under way stays so; who there is and what they have is written as it stands now."""
        until = self.plan.until
        while self.due and self.due[0][0] < until:
            when, _, do, flow = heappop(self.due)
            self.now = max(when, self.now + 3)
            do(flow)
        for _, _, original in sorted(self.reversals):
            self._transaction(original, "completed", original.at)
        for flow, state, due, reference, calls in self.open.values():
            self._transaction(flow, state, None, rail_reference=reference, calls=calls, due=due)
        for day in list(self.used):
            self._keep_usage(day)
        frozen: dict[int, str] = {}
        for position in range(self.plan.customers):
            if position % 197 == 196 and self.last[position] + 3_600 * SECOND < until:
                frozen[position] = ("debit", "both", "credit")[position % 3]
                self._freeze(position, frozen[position])
            self._customer(position)
            self._wallet_rows(position, frozen.get(position, ""))
            if position % CHUNK == CHUNK - 1:
                self.flush()
        for name in HOUSE:
            self._house_account(name)

    def _customer(self, position: int) -> None:
        person, at = self.people[position], instant(self.joined[position])
        suspended = position % 311 == 310 and not self.held[position]
        self.rows["customers_customer"].append(
            row(
                uuid(self.customer_ids[position]),
                text(person.full_name),
                text(person.email),
                text(person.phone_number),
                text(self.plan.country),
                text(person.account_type),
                small(person.tier),
                WORDS["suspended" if suspended else "active"],
                NOBODY_SIGNS_IN,
                at,
                at,
            )
        )

    def _wallet_rows(self, position: int, mode: str) -> None:
        account, at = self.plan.first_account + position, instant(self.joined[position] + 1000)
        id = self.wallet_ids[position]
        self.rows["wallets_wallet"].append(
            row(uuid(id), uuid(self.customer_ids[position]), sized(self.currency), whole(account), at, NULL)
        )
        self.rows["ledger_account"].append(
            row(
                whole(account),
                sized(b"liability:wallet:" + shown(id).encode()),
                WORDS["Wallet"],
                sized(self.currency),
                small(CREDIT),
                whole(self.posted[position]),
                whole(self.held[position]),
                whole(0),
                whole(self.seq[position]),
                whole(self.hold_seq[position]),
                instant(self.last[position] or None),
                boolean(mode in ("debit", "both")),
                boolean(mode in ("credit", "both")),
                NULL,
                at,
            )
        )

    def _freeze(self, position: int, mode: str) -> None:
        at = max(self.last[position], self.joined[position] + 2000) + 3_600 * SECOND
        self.rows["wallets_freeze"].append(
            row(
                uuid(uuid7(at, self.throw.getrandbits(62))),
                uuid(self.wallet_ids[position]),
                text(mode),
                text("Phone stolen; the owner called."),
                text("staff:1"),
                instant(at),
                rows.EMPTY,
                rows.EMPTY,
            )
        )

    def _house_account(self, name: str) -> None:
        """Like every house account, it is opened at its first use."""
        account, posted, seq, last = self.house[name]
        if not seq:
            return
        code = rail_float(RAIL, self.plan.currency) if name == "rail" else fee_income(name, self.plan.currency)
        kind = type_of(code)
        self.rows["ledger_account"].append(
            row(
                whole(account),
                text(code),
                text(kind.name),
                sized(self.currency),
                small(kind.normal_side),
                whole(posted),
                whole(0),
                NULL,
                whole(seq),
                whole(0),
                instant(last),
                boolean(False),
                boolean(False),
                NULL,
                instant(self.plan.start),
            )
        )
