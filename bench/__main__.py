"""Measure everything in turn, several rounds, and print the table: `make bench [ARGS="--rounds 5 --seconds 4"]`."""

import argparse
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from tqdm import tqdm

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ["ACCESS_TOKEN_SECONDS"] = "86400"  # one token lasts the whole run
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from bench import data, report, servers  # noqa: E402
from bench.load import Load, Target, drive, generator  # noqa: E402
from core.pagination import write_cursor  # noqa: E402
from core.roles import connected_as_owner  # noqa: E402

TRANSFERS = [(mode, connections) for mode in ("random", "hot", "pair") for connections in (1, 32, 64)]
READS = ["balance", "history", "deep"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each case in each round")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--out", type=Path, default=settings.VAR_DIR / "results")
    asked = parser.parse_args()
    rounds, seconds = (1, 1) if asked.quick else (asked.rounds, asked.seconds)

    wallets = data.prepare()
    target_file = settings.VAR_DIR / "bench-wallets.txt"
    target_file.write_text("".join(f"{w.id} {w.token} {deep_cursor(w, w is wallets[0])}\n" for w in wallets[:2001]))
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute((servers.HERE / "reference.sql").read_text())

    runs: dict[str, list[Any]] = defaultdict(list)
    with servers.web() as grouped, servers.web(POSTER_BATCH="0") as alone:
        targets = {"grouped": Target(grouped.port, target_file), "alone": Target(alone.port, target_file)}
        for target in targets.values():
            drive(target, "random", 64, 2)  # threads, connections, plans and caches are there before anything counts
        runs["memory before"].append(grouped.memory_kb())
        for _ in tqdm(range(rounds), desc="rounds", disable=None):
            for connections in (1, 32, 64):
                runs["reference"].append(servers.reference(seconds))
                for mode in ("random", "hot", "pair"):
                    runs[f"{mode} {connections}"].append(drive(targets["grouped"], mode, connections, seconds))
                if connections == 1:
                    runs["alone 1"].append(drive(targets["alone"], "random", 1, seconds))
            runs["bulk"].append(measured("bulk"))
            runs["payouts"].append(measured("payouts"))
            runs["routing"].append(measured("routing"))
            runs["exchange"].append(measured("exchange"))
            for mode in READS:
                runs[mode].append(drive(targets["grouped"], mode, 1, max(seconds // 2, 1)))
        runs["memory after"].append(grouped.memory_kb())
    for _ in range(rounds):
        runs["export"].append(measured("export"))
        runs["statements"].append(measured("statements"))

    results = report.results({name: middle(values) for name, values in runs.items()}, rounds, seconds, generator())
    asked.out.mkdir(parents=True, exist_ok=True)
    print(report.save(results, asked.out))
    return 0 if not report.broken(results) else 1


def deep_cursor(wallet: data.Wallet, wanted: bool) -> str:
    """The cursor of a page in the middle of the long history."""
    if not wanted:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.seq FROM wallets_wallet w JOIN ledger_account a ON a.id = w.account_id WHERE w.id = %s",
            [wallet.id],
        )
        return write_cursor(cursor.fetchone()[0] // 2, UUID(int=0))


def measured(case: str) -> dict[str, int]:
    """Run bench/<case>.py in a process of its own, which tells rates and memory as ``name value`` lines."""
    output = subprocess.run([sys.executable, "-m", f"bench.{case}"], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, _, value in (line.rpartition(" ") for line in output.splitlines())}


def middle(values: list[Any]) -> Any:
    """The median of each figure; of answers that were not 2xx and connections that broke, the sum."""
    if isinstance(values[0], Load):
        figures = [int(statistics.median(column)) for column in list(zip(*values, strict=True))[:4]]
        return Load(*figures, sum(v.not_2xx for v in values), sum(v.broken for v in values))
    if isinstance(values[0], dict):
        return {name: int(statistics.median(v[name] for v in values)) for name in values[0]}
    return int(statistics.median(values))


if __name__ == "__main__":
    sys.exit(main())
