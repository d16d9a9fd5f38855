"""Driving HTTP: wrk where it is installed, else a loop of our own over the same requests.

Our own costs some 60 µs of processor a request, which on a small machine the server then lacks: the result says which
of the two was used.
"""

import json
import random
import selectors
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

HERE = Path(__file__).parent


class Load(NamedTuple):
    """One run: answers per second, latencies in microseconds, answers that were not 2xx, connections that broke."""

    rate: int
    p50: int
    p95: int
    p99: int
    not_2xx: int
    broken: int


class Target(NamedTuple):
    """The server, and the file of ``wallet token cursor`` lines that the load is made of."""

    port: int
    wallets: Path


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "own"


def drive(target: Target, mode: str, connections: int, seconds: int) -> Load:
    """``mode``: random, hot, pair (transfers), balance, history or deep."""
    return (_wrk if generator() == "wrk" else _own)(target, mode, connections, seconds)


def _wrk(target: Target, mode: str, connections: int, seconds: int) -> Load:
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "load.lua"),
        f"http://127.0.0.1:{target.port}", "--", str(target.wallets), mode,
    ]  # fmt: skip
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads(output.partition("RESULT ")[2].partition("\n")[0])
    return Load(
        result["requests"] * 1_000_000 // result["microseconds"], result["p50"], result["p95"], result["p99"],
        result["not_2xx"], result["broken"],
    )  # fmt: skip


def _own(target: Target, mode: str, connections: int, seconds: int) -> Load:
    wallets = [line.split(" ") for line in target.wallets.read_text().splitlines()]
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = _Connection(socket.create_connection(("127.0.0.1", target.port)), wallets, mode)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    started, latencies, not_2xx = time.monotonic_ns(), [], 0
    end = started + seconds * 10**9
    while time.monotonic_ns() < end:
        for ready, _ in selector.select(timeout=1):
            status, took = ready.data.receive()
            if status:
                latencies.append(took // 1000)
                not_2xx += status // 100 != 2
                ready.data.send()
    for ready in list(selector.get_map().values()):
        ready.data.socket.close()
    latencies.sort()
    at = [latencies[len(latencies) * percent // 100] for percent in (50, 95, 99)]
    return Load(len(latencies) * 10**9 // (time.monotonic_ns() - started), *at, not_2xx, 0)


class _Connection:
    def __init__(self, sock: socket.socket, wallets: list[list[str]], mode: str) -> None:
        self.socket, self.wallets, self.mode = sock, wallets, mode
        self.received, self.sent_at = b"", 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        self.received, self.sent_at = b"", time.monotonic_ns()
        self.socket.sendall(self.request())

    def receive(self) -> tuple[int, int]:
        """The status and the nanoseconds it took, or zeros while the answer is incomplete."""
        self.received += self.socket.recv(65536)
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not found or len(body) < length:
            return 0, 0
        return int(head[9:12]), time.monotonic_ns() - self.sent_at

    def request(self) -> bytes:
        first, hot, third = self.wallets[:3]
        if self.mode in ("balance", "history", "deep"):
            path = {"balance": "/balance", "history": "/transactions", "deep": f"/transactions?cursor={first[2]}"}
            return _http("GET", f"/v1/wallets/{first[0]}{path[self.mode]}", first[1])
        payer, payee = random.sample(self.wallets[1:], 2)
        if self.mode == "hot":
            payer, payee = (payer if payer is not hot else third), hot
        elif self.mode == "pair":
            payer, payee = random.sample([hot, third], 2)
        body = {"from_wallet_id": payer[0], "to": {"wallet_id": payee[0]}, "amount": "1.00", "currency": "KES"}
        return _http("POST", "/v1/transfers", payer[1], json.dumps(body))


def _http(method: str, path: str, token: str, body: str = "") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: own-{uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
