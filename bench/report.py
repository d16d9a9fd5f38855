"""From medians to a table: each figure as a ratio to what was measured beside it, and the goal it has."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection

from bench.load import Load

Medians = dict[str, Any]


class Goal(NamedTuple):
    """``value`` against ``at_least`` or ``at_most``."""

    what: str
    value: str
    goal: str
    met: bool


def results(medians: Medians, rounds: int, seconds: int, generator: str) -> dict[str, Any]:
    """Everything that is kept: conditions, medians, goals."""
    return {
        "conditions": conditions(rounds, seconds, generator),
        "medians": {name: m._asdict() if isinstance(m, Load) else m for name, m in medians.items()},
        "goals": [goal._asdict() for goal in goals(medians)],
    }


def conditions(rounds: int, seconds: int, generator: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync'), sum(seq)::bigint"
                       " FROM ledger_account")  # fmt: skip
        postgres, fsync, entries = cursor.fetchone()
    model = next(
        (line.partition(": ")[2] for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")), ""
    )
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "cores": os.cpu_count(), "processor": model,
        "python": platform.python_version(), "postgresql": postgres, "fsync": fsync, "entries": entries,
        "rounds": rounds, "seconds per case": seconds, "load generator": generator,
        "load average at the end": os.getloadavg()[0],
    }  # fmt: skip


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def goals(m: Medians) -> list[Goal]:
    """The ratios that mean the same on any machine. Hundredths, for there is no need of more."""
    reference = m["reference"]

    def at_least(what: str, part: int, whole: int, hundredths: int) -> Goal:
        reached = 100 * part // max(whole, 1)
        return Goal(what, _ratio(reached), f">= {_ratio(hundredths)}", reached >= hundredths)

    def at_most(what: str, part: int, whole: int, hundredths: int) -> Goal:
        reached = 100 * part // max(whole, 1)
        return Goal(what, _ratio(reached), f"<= {_ratio(hundredths)}", reached <= hundredths)

    transfers = [load for name, load in m.items() if isinstance(load, Load)]
    refused = sum(load.not_2xx + load.broken for load in transfers)
    found = [
        at_least("HTTP transfer, 32 connections / reference", m["random 32"].rate, reference, 22),
        at_least("hot account / random, 64 connections", m["hot 64"].rate, m["random 64"].rate, 80),
        at_least("hot pair / random, 64 connections", m["pair 64"].rate, m["random 64"].rate, 50),
        Goal("answers that were not 2xx, connections that broke", str(refused), "0", refused == 0),
        at_most("p50 at one connection / the same posting alone", m["random 1"].p50, m["alone 1"].p50, 130),
        at_least("bulk 10,000 / reference", m["bulk"]["rate"], reference, 130),
        Goal("bulk: extra memory", _mb(m["bulk"]["extra_kb"]), "<= 8 MB", m["bulk"]["extra_kb"] <= 8 * 1024),
        at_most("history of 50 p50 / balance p50", m["history"].p50, m["balance"].p50, 200),
        at_most("deep page p50 / first page p50", m["deep"].p50, m["history"].p50, 120),
        at_most("web memory after / before the load", m["memory after"], m["memory before"], 110),
    ]
    if payouts := m.get("payouts"):
        took = payouts["total_ms"]
        what = "payout of 10,000 from the request to the last item, beside the servers under test"
        found.append(Goal(what, f"{took} ms", "< 5000 ms", took < 5_000))
    if routing := m.get("routing"):
        what = "exchange: route among 20 providers and 30 currencies, p99"
        found.append(Goal(what, f"{routing['p99_us']} us of processor", "< 3000 us", routing["p99_us"] < 3_000))
    if exchange := m.get("exchange"):
        asked, plain = exchange["quote_and_convert_p50_us"], exchange["transfer_p50_us"]
        found += [
            at_most("exchange: quote and conversion p50 / transfer p50, without HTTP", asked, plain, 200),
            at_least(
                "exchange: transfers at a quote / plain ones", exchange["quoted_rate"], exchange["plain_rate"], 80
            ),
        ]
    if export := m.get("export"):
        found += [
            Goal("export 1 M rows: extra memory", _mb(export["extra_kb"]), "<= 32 MB", export["extra_kb"] <= 32 * 1024),
            Goal(
                "export 1 M rows: first byte", f"{export['first_byte_ms']} ms", "< 1000 ms",
                export["first_byte_ms"] < 1000,
            ),
        ]  # fmt: skip
    if statements := m.get("statements"):
        what, extra = f"statement of {statements['lines']:,} lines as CSV", statements["csv_extra_kb"]
        found += [
            Goal(what, f"{statements['csv_ms']} ms", "< 1000 ms", statements["csv_ms"] < 1000),
            Goal(f"{what}: extra memory", _mb(extra), "<= 8 MB", extra <= 8 * 1024),
            Goal(
                "statement of 2,000 lines as PDF", f"{statements['pdf_ms']} ms", "< 2000 ms",
                statements["pdf_ms"] < 2000,
            ),
        ]  # fmt: skip
    return found


def _ratio(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _mb(kilobytes: int) -> str:
    return f"{kilobytes / 1024:.1f} MB"


def broken(found: dict[str, Any]) -> bool:
    """Whether something failed outright; a goal missed by a slow neighbour is told, not punished."""
    return any(m.get("not_2xx") or m.get("broken") for m in found["medians"].values() if isinstance(m, dict))


def save(found: dict[str, Any], folder: Path) -> str:
    """Write results.json and results.md; the Markdown."""
    text = markdown(found)
    (folder / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "results.md").write_text(text)
    return f"{text}\nKept in {folder}."


def markdown(found: dict[str, Any]) -> str:
    medians, lines = found["medians"], []
    lines += ["| | ratio or figure | goal | |", "|---|---|---|---|"]
    lines += [
        f"| {g['what']} | {g['value']} | {g['goal']} | {'met' if g['met'] else '**missed**'} |" for g in found["goals"]
    ]
    lines += ["", "| case | per second | p50 ms | p95 ms | p99 ms |", "|---|---|---|---|---|"]
    lines.append(f"| reference: one SQL function, pgbench, 16 clients | {medians['reference']} | | | |")
    for name, m in medians.items():
        if isinstance(m, dict) and "p50" in m:
            figures = " | ".join(f"{m[p] / 1000:.2f}" for p in ("p50", "p95", "p99"))
            lines.append(
                f"| {CASES.get(name.split()[0], name.split()[0])}{_connections(name)} | {m['rate']} | {figures} |"
            )
    lines.append(f"| bulk, chunks of 1,000, one connection | {medians['bulk']['rate']} | | | |")
    if payouts := medians.get("payouts"):
        lines.append(f"| payout of 10,000: items paid, once it was checked and approved | {payouts['rate']} | | | |")
    if export := medians.get("export"):
        lines.append(f"| export of {export['rows']} entries as CSV, rows | {export['rate']} | | | |")
    lines += [
        "",
        "Conditions: " + "; ".join(f"{name} {value}" for name, value in found["conditions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


CASES = {
    "random": "HTTP transfer, random wallets",
    "hot": "HTTP transfer, all to one wallet",
    "pair": "HTTP transfer, two wallets paying each other",
    "alone": "HTTP transfer without group commit",
    "balance": "HTTP balance",
    "history": "HTTP history of 50",
    "deep": "HTTP history, page in the middle of 100,000",
}


def _connections(name: str) -> str:
    connections = name.partition(" ")[2]
    return f", {connections} connection{'s' if connections != '1' else ''}" if connections else ""
