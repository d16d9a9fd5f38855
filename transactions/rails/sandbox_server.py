"""A bank to practise with: takes instructions over HTTP, carries them out later, calls back, answers inquiries.

Needs neither Django nor a database. It behaves like a real bank on a good day, and like one on a bad day where the
amount asks for it (`MAGIC`). Instructions go to a JSON-lines file, so that it knows them after a restart.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.ids import uuid7
from transactions.rails.base import InvalidSignature
from transactions.rails.signing import Signer

MAGIC = {
    901: "refused at once: insufficient_funds_at_bank",
    902: "taken on, then fails: account_closed",
    903: "taken on, the callback comes late",
    904: "never answers the call, but carries it out; only an inquiry tells",
    905: "never answers the call and does not carry it out; an inquiry does not know it",
    906: "calls back twice, in two messages",
    907: "taken on, never calls back; an inquiry says completed",
    908: "carries out and reports an amount one minor unit higher",
    909: "calls back before it answers the call",
}
LARGEST_BODY = 64 * 1024
CALLBACK_TRIES = 5


@dataclass(frozen=True)
class Delays:
    """Seconds. ``settle`` until an instruction is carried out, ``slow`` the same for 903, ``hang`` before an unanswered
    call is dropped, ``retry`` between the first two tries of a callback (doubling)."""

    settle: float = 0.3
    slow: float = 8.0
    hang: float = 30.0
    retry: float = 0.5


@dataclass(frozen=True)
class Order:
    """One instruction as the bank knows it; the last line of its file with this reference is the truth."""

    reference: str
    rail_reference: str
    operation: str
    amount_minor: int
    currency: str
    callback_url: str
    status: str = "in_progress"
    code: str = ""

    @property
    def magic(self) -> int:
        return self.amount_minor % 1000

    @property
    def report(self) -> dict[str, Any]:
        amount = self.amount_minor + (self.magic == 908)
        shown = ("reference", "rail_reference", "status", "currency", "code")
        return {name: getattr(self, name) for name in shown} | {"amount_minor": amount}


class SandboxBank:
    """The bank: ``start()`` serves in a thread of its own, ``stop()`` ends it; ``url`` is where it listens."""

    def __init__(
        self, *, data: Path, secret: str, host: str = "127.0.0.1", port: int = 0, delays: Delays | None = None
    ) -> None:
        self.delays = delays or Delays()
        self.orders: dict[str, Order] = {}
        self.stopping = threading.Event()
        self._signer = Signer(secret)
        self._lock = threading.Lock()
        self._data = data
        self._data.parent.mkdir(parents=True, exist_ok=True)
        self._load()
        self._file = self._data.open("a", encoding="utf-8")
        handler = type("BoundHandler", (Handler,), {"bank": self})
        self._server = Server((host, port), handler)
        self.url = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=[0.05], name="sandbox-bank", daemon=True).start()
        for order in list(self.orders.values()):
            if order.status == "in_progress":
                self._later(self.delays.settle, self._carry_out, order)

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            self._file.close()

    def executed(self, operation: str, currency: str) -> int:
        """What the bank has carried out in all, minor units."""
        return sum(
            order.report["amount_minor"]
            for order in list(self.orders.values())
            if (order.operation, order.currency, order.status) == (operation, currency, "completed")
        )

    # --- what the HTTP handler calls: (status, answer); no status means the call is left hanging ---------------------

    def genuine(self, headers: Any, body: bytes) -> bool:
        try:
            self._signer.check(headers, body)
        except InvalidSignature:
            return False
        return True

    def instruct(self, asked: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
        try:
            order = Order(
                reference=text(asked, "reference"),
                rail_reference=f"SBX{uuid7().hex[-12:].upper()}",
                operation=text(asked, "operation", among=("collect", "pay")),
                amount_minor=asked["amount_minor"],
                currency=text(asked, "currency"),
                callback_url=text(asked, "callback_url"),
            )
            if type(order.amount_minor) is not int or order.amount_minor < 1:
                raise ValueError("amount_minor")
            if not order.callback_url.startswith(("http://", "https://")):
                raise ValueError("callback_url")
        except (KeyError, ValueError) as exc:
            return 400, {"code": "invalid_instruction", "text": f"missing or wrong: {exc}"}
        if order.magic == 901:
            return 422, {"code": "insufficient_funds_at_bank", "text": "The account does not cover the amount."}
        if order.magic == 905:
            return None, {}
        with self._lock:
            known = self.orders.get(order.reference)
            if known is None:
                self._write(order)
        if known is not None:
            same = all(getattr(known, n) == getattr(order, n) for n in ("operation", "amount_minor", "currency"))
            if not same:
                return 409, {"code": "reference_used", "text": "This reference was used for another instruction."}
            return 202, {"rail_reference": known.rail_reference}
        if order.magic in (904, 907):
            self._finish(order)
            return (None, {}) if order.magic == 904 else (202, {"rail_reference": order.rail_reference})
        if order.magic == 909:
            self._carry_out(order)
        else:
            self._later(self.delays.slow if order.magic == 903 else self.delays.settle, self._carry_out, order)
        return 202, {"rail_reference": order.rail_reference}

    def inquire(self, asked: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
        order = self.orders.get(str(asked.get("reference")))
        return (200, order.report) if order else (404, {"code": "unknown_reference", "text": "Never heard of it."})

    # --- the back room ----------------------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        done = self._finish(order)
        for _ in range(2 if order.magic == 906 else 1):
            self._call_back(done)

    def _finish(self, order: Order) -> Order:
        if order.magic == 902:
            done = replace(order, status="failed", code="account_closed")
        else:
            done = replace(order, status="completed")
        with self._lock:
            self._write(done)
        return done

    def _call_back(self, order: Order, message_id: str = "", tries: int = 0) -> None:
        """Tell how it ended; the same message id on every try, a fresh timestamp and signature."""
        body = json.dumps(order.report).encode()
        message_id = message_id or f"msg_{uuid7().hex}"
        headers = self._signer.sign(body, message_id=message_id)
        request = urllib.request.Request(order.callback_url, body, headers)  # noqa: S310 - checked on the way in
        try:
            with DIRECT.open(request, timeout=5) as response:
                outcome = str(response.status)
        except (OSError, ValueError) as exc:  # URLError and HTTPError among them
            outcome = str(exc.code) if isinstance(exc, urllib.error.HTTPError) else type(exc).__name__
            if tries + 1 < CALLBACK_TRIES:
                self._later(self.delays.retry * 2**tries, self._call_back, order, message_id, tries + 1)
        if not outcome.startswith("2"):
            print(f"callback {order.reference} try {tries + 1}: {outcome}", file=sys.stderr, flush=True)

    def _later(self, seconds: float, work: Any, *args: Any) -> None:
        timer = threading.Timer(seconds, lambda: self.stopping.is_set() or work(*args))
        timer.daemon = True
        timer.start()

    def _write(self, order: Order) -> None:
        """Call with the lock held."""
        self.orders[order.reference] = order
        if not self._file.closed:
            self._file.write(json.dumps(asdict(order)) + "\n")
            self._file.flush()

    def _load(self) -> None:
        if not self._data.exists():
            return
        for number, line in enumerate(self._data.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                order = Order(**json.loads(line))
            except (ValueError, TypeError):  # a line cut short when the bank was killed
                print(f"{self._data}:{number}: not an instruction, skipped", file=sys.stderr)
                continue
            self.orders[order.reference] = order


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a burst waits, instead of being turned away


class Handler(BaseHTTPRequestHandler):
    """POST /instructions and /inquiries, both signed; GET / explains the magic amounts."""

    bank: SandboxBank
    server_version, sys_version = "SandboxBank", ""
    timeout = 30

    def do_GET(self) -> None:
        rows = "".join(f"  …{amount}  {what}\n" for amount, what in MAGIC.items())
        page = f"Sandbox bank: signed POST /instructions and /inquiries.\n\nAmounts, minor units modulo 1000:\n{rows}"
        self._send(200 if self.path == "/" else 404, page.encode(), "text/plain; charset=utf-8")

    def do_POST(self) -> None:
        action = {"/instructions": self.bank.instruct, "/inquiries": self.bank.inquire}.get(self.path)
        length = self.headers.get("Content-Length", "")
        if action is None:
            return self._answer(404, {"code": "not_found"})
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return self._answer(413, {"code": "too_large"})
        body = self.rfile.read(int(length))
        if not self.bank.genuine(dict(self.headers.items()), body):
            return self._answer(401, {"code": "invalid_signature"})
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return self._answer(400, {"code": "invalid_json"})
        status, answer = action(asked)
        if status is None:
            self.bank.stopping.wait(self.bank.delays.hang)
            self.close_connection = True
            return None
        return self._answer(status, answer)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the caller has hung up
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """One line per callback that failed is enough."""


def text(asked: dict[str, Any], name: str, among: tuple[str, ...] = ()) -> str:
    value = asked[name]
    if not isinstance(value, str) or not 0 < len(value) <= 300 or (among and value not in among):
        raise ValueError(name)
    return value
