"""Movements through a bank: submitted, called back, asked about, called off, settled."""

from collections.abc import Callable
from heapq import heappush

from ledger.chart import CREDIT, DEBIT
from tekana.made_data.books import BY_RAIL, RAIL_FIELD, WORDS, WORKER, Books
from tekana.made_data.plan import DAY, SECOND, Flow
from tekana.made_data.rows import instant, jsonb, row, shown, sized, small, text, uuid, uuid7

SILENCE = text("The rail did not answer.")


class ThroughRail(Books):
    """What waits for a rail, and what becomes of it."""

    def _later(self, after: int, do: Callable[[Flow], None], flow: Flow) -> None:
        self.number += 1
        heappush(self.due, (self.now + after, self.number, do, flow))

    def _to_the_rail(self, flow: Flow) -> None:
        """A worker takes it there a second later; a few are called off, or lie too long."""
        what = self.throw.getrandbits(10)
        self.open[flow.id] = (flow, "pending", flow.at, b"", 0)
        if what < 6:
            self._later(20 * SECOND + self.throw.getrandbits(25), self._call_off, flow)
        elif what < 8:
            self._later(3_600 * SECOND + self.throw.getrandbits(25), self._expire, flow)
        else:
            self._later(SECOND // 2 + self.throw.getrandbits(20), self._submit, flow)

    def _submit(self, flow: Flow) -> None:
        at, bits = self.now, self.throw.getrandbits
        ended, silent = at + 40_000 + bits(18), bits(9) == 0
        self._event(uuid7(at, bits(62)), flow.id, "pending", "processing", WORKER, b"{}", at)
        reference = b"" if silent else b"SBX%012X" % bits(48)
        asked = b'{"reference": "%b", "operation": "%b", "amount_minor": %d, "currency": "%b"}' % (
            shown(flow.id).encode(),
            b"pay" if flow.kind == "cash_out" else b"collect",
            flow.amount,
            self.currency,
        )
        said = b'{"error": "TimeoutError"}' if silent else b'{"rail_reference": "%b"}' % reference
        self._call(flow, 1, "submit", at, ended, "no_answer" if silent else "accepted", asked, said)
        if silent:
            self.now = ended
            self._event(uuid7(ended, bits(62)), flow.id, "processing", "unknown", WORKER, said, ended, SILENCE)
            self.open[flow.id] = (flow, "unknown", ended + 300 * SECOND, b"", 1)
            self._later(60 * SECOND + bits(30), self._inquire, flow)
        else:
            self.open[flow.id] = (flow, "processing", ended + 60 * SECOND, reference, 1)
            self._later(3 * SECOND + bits(25), self._called_back, flow)

    def _inquire(self, flow: Flow) -> None:
        """What did not answer is asked again, and says what it did."""
        at, bits = self.now, self.throw.getrandbits
        reference = b"SBX%012X" % bits(48)
        said = self._said(flow, reference)
        self._call(
            flow, 2, "inquire", at, at + 30_000, "completed", b'{"reference": "%b"}' % shown(flow.id).encode(), said
        )
        self.now = at + 30_001
        self._settle(flow, "unknown", "completed", reference, 2, b'{"rail": "sandbox", "call": 2, "answer": %b}' % said)

    def _called_back(self, flow: Flow) -> None:
        at, bits = self.now, self.throw.getrandbits
        reference = self.open[flow.id][3]
        failed = bits(6) == 0
        status, code = (b"failed", b"account_closed") if failed else (b"completed", b"")
        names = (shown(flow.id).encode(), reference, status, code)
        payload = b'{"reference": "%b", "rail_reference": "%b", "status": "%b", "code": "%b", ' % names
        payload += b'"amount_minor": %d, "currency": "%b"}' % (flow.amount, self.currency)
        self.rows["transactions_railmessage"].append(
            row(
                uuid(uuid7(at - 2, bits(62))),
                RAIL_FIELD,
                sized(b"msg_%032x" % bits(128)),
                uuid(flow.id),
                jsonb(payload),
                WORDS["processed"],
                text("Failed." if failed else "Completed."),
                small(1),
                instant(at - 2),
                instant(at - 1),
                instant(at + 1),
            )
        )
        said = self._said(flow, reference)
        facts = b'{"rail": "sandbox", "callback": %b}' % said
        self._settle(
            flow,
            "processing",
            "failed" if failed else "completed",
            reference,
            1,
            facts,
            "account_closed" if failed else "",
        )

    def _said(self, flow: Flow, reference: bytes) -> bytes:
        """The rail's word that it has done it."""
        asked = (reference, flow.amount, self.currency)
        return b'{"rail_reference": "%b", "amount_minor": %d, "currency": "%b"}' % asked

    def _call_off(self, flow: Flow) -> None:
        self._settle(flow, "pending", "cancelled", b"", 0, b"{}", by=flow.caller)

    def _expire(self, flow: Flow) -> None:
        self._settle(flow, "pending", "expired", b"", 0, b"{}", by=WORKER)

    def _settle(
        self,
        flow: Flow,
        before: str,
        state: str,
        reference: bytes,
        calls: int,
        facts: bytes,
        refusal: str = "",
        by: bytes = b"",
    ) -> None:
        """The end of what went through the rail: what was held is taken or let go, what came in is credited."""
        at = self.now
        del self.open[flow.id]
        cash_out = flow.kind == "cash_out"
        if cash_out:
            how = {"completed": "captured", "expired": "expired"}.get(state, "voided")
            self._hold(flow.id, flow.payer, how, flow.amount + flow.fee, 0, at)
            if state != "completed":
                self._count(flow.payer, -flow.amount, -1, (flow.at + self.offset) // DAY)
        else:
            self.coming[flow.payee] -= flow.amount - flow.fee
        if state == "completed":
            if cash_out:
                self._journal(flow.id, "cash_out", at)
                self._wallet(flow.id, flow.payer, DEBIT, flow.amount + flow.fee, at)
                self._account(flow.id, "rail", CREDIT, flow.amount, at)
                if flow.fee:
                    self._account(flow.id, "cash_out", CREDIT, flow.fee, at)
            else:
                self._enter_top_up(flow, at)
        event = uuid7(at, self.throw.getrandbits(62))
        self._event(event, flow.id, before, state, by or BY_RAIL, facts, at)
        self._transaction(flow, state, at, refusal=refusal, rail_reference=reference, calls=calls)
        if at >= self.notify_from:
            owner, reason = (flow.payer if cash_out else flow.payee), refusal and self.plan.titles["rail_refused"]
            self._notify(event, flow.id, at, f"{flow.kind}_{state}", owner, -1, flow, reason=reason)

    def _enter_top_up(self, flow: Flow, at: int) -> None:
        self._journal(flow.id, "top_up", at)
        self._account(flow.id, "rail", DEBIT, flow.amount, at)
        self._wallet(flow.id, flow.payee, CREDIT, flow.amount - flow.fee, at)
        if flow.fee:
            self._account(flow.id, "top_up", CREDIT, flow.fee, at)
