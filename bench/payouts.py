"""A salary run of 10,000 from the request to the last item: sent in and approved over HTTP, paid as a worker pays."""

import json
import resource
import time
import urllib.request
from typing import Any
from uuid import UUID

import django

django.setup()

from bench import data, servers  # noqa: E402
from core.ids import uuid7  # noqa: E402
from payouts import running  # noqa: E402
from payouts.models import Batch, BatchState  # noqa: E402

ITEMS = 10_000


def ask(port: int, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"bench-{uuid7()}",
    }  # fmt: skip
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:  # ourselves
        told: dict[str, Any] = json.load(answer)
        return told


def send(port: int, payer: data.Wallet, phones: list[str]) -> dict[str, Any]:
    items = [
        {"to": {"phone_number": phone}, "amount": "10.00", "name": f"Bench Person {n}", "reference": f"E-{n}"}
        for n, phone in enumerate(phones, 1)
    ]
    body = {"from_wallet_id": str(payer.id), "again": True, "label": "bench", "items": items}
    return ask(port, "payouts", body, payer.token)


def salary_run(port: int, payer: data.Wallet, phones: list[str]) -> tuple[int, int]:
    """Nanoseconds until it was checked, and until everybody was paid."""
    started = time.monotonic_ns()
    payout = send(port, payer, phones)["payout_id"]
    checked = time.monotonic_ns()
    ask(port, f"payouts/{payout}/approve", {}, payer.token)
    running.run(UUID(payout))
    ended = time.monotonic_ns()
    batch = Batch.objects.get(pk=payout)
    if (batch.state, batch.posted) != (BatchState.COMPLETED, len(phones)):
        raise SystemExit(f"{batch.posted} of {len(phones)} were paid")
    return checked - started, ended - started


if __name__ == "__main__":
    wallets = data.everybody()
    phones = [f"+2547{10_000_000 + n}" for n in range(2, ITEMS + 2)]  # `data.OPEN` makes them
    with servers.web() as web:
        salary_run(web.port, wallets[0], phones[:10])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        checked, paid = salary_run(web.port, wallets[0], phones)
    print("checked_ms", checked // 10**6)
    print("total_ms", paid // 10**6)
    print("rate", ITEMS * 10**9 // (paid - checked))
    print("extra_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
