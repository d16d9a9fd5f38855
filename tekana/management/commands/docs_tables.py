"""``manage.py docs_tables``: the tables in docs/ that say what the code says, written from the code.

A page marks the place with ``<!-- made: name -->`` and ``<!-- end -->``; what is between them is made here.
"""

import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.money import EXPONENTS, decimal_string, grouped
from core.problems import catalogue, described
from ledger.verify import CHECKS as LEDGER_CHECKS
from staff.roles import PURPOSE, RIGHTS, Role, role_sums
from tekana import urls  # noqa: F401  (with the doors come all refusals)
from transactions.admin.refusals import AT_THE_DOOR, OF_TRANSACTIONS, explain
from transactions.models import BORN, LEGAL, Kind
from transactions.rails.sandbox_server import MAGIC
from transactions.undoing import UNDONE
from transactions.verify import CHECKS

ROOT = Path(settings.BASE_DIR)
CODES = re.compile(r"`([a-z_]+)`")
PLACE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.S)


class Command(BaseCommand):
    help = "Write the tables in docs/ that are made from the code."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is not up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = [path for path in pages() if written(path.read_text(encoding="utf-8")) != path.read_text("utf-8")]
        if options["check"] and stale:
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            raise CommandError(f"Not what the code says: {names}. Run `manage.py docs_tables`.")
        for path in stale:
            path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
            self.stdout.write(f"{path} is written.")


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def written(text: str) -> str:
    """``text`` with every table in it made anew. Raises: KeyError for a name that no table has."""
    return PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n\n{place[3]}", text)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(cells: Sequence[object]) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def coded(text: str) -> str:
    """Docstrings write code in two backticks."""
    return text.replace("``", "`")


# What the schema leaves to "any other problem", and what a transaction may say later on.
UNNAMED = {"invalid_access_token", "invalid_request", "method_not_allowed", "rail_refused", "rail_unreachable"}


def problems() -> str:
    """The codes that the API's schema names, and the few that may come anywhere, by status."""
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    answers = [answer for path in paths.values() for one in path.values() for answer in one["responses"].values()]
    named = {code for answer in answers for code in CODES.findall(answer["description"])}
    found = (described(catalogue()[code]) for code in named | UNNAMED)
    kinds = sorted(found, key=lambda kind: (kind["status"], kind["code"]))
    return table(
        ["Status", "`code`", "What it means"],
        [(kind["status"], f"`{kind['code']}`", coded(kind["explanation"]) or kind["title"] + ".") for kind in kinds],
    )


def magic_amounts() -> str:
    rows = [(f"…{last}", f"109.{last % 100:02}", f"10{last}", what) for last, what in MAGIC.items()]
    return table(["Minor units end in", "For example KES", "or RWF", "What the sandbox bank does"], rows)


def currencies() -> str:
    rows = [(code, exponent, decimal_string(1, code)) for code, exponent in EXPONENTS.items()]
    return table(["Currency", "Decimals", "Smallest amount"], rows)


def answers(group: Iterable[str]) -> str:
    """Each refusal under a heading of its own, with the words for the customer as a quotation."""
    return "\n\n".join(
        f"### {said.title}\n\n`{said.code}` {said.meaning}\n\n* Look at: {said.look}\n* Tell them: {said.tell}\n\n"
        f"> {said.customer}"
        for said in map(explain, group)
    )


def refusals() -> str:
    return answers(OF_TRANSACTIONS)


def refusals_at_the_door() -> str:
    return answers(AT_THE_DOOR)


def roles() -> str:
    """What each is for, then the rights by group, as the back office shows them under Roles."""
    purposes = table(["Role", "What it is for"], [(f"**{role.label}** (`{role}`)", PURPOSE[role]) for role in Role])
    rows: list[list[str]] = []
    for group, rights in RIGHTS.items():
        rows.append([f"**{group}**", *("" for _ in Role)])
        rows += [[right.words, *("yes" if right.given_to(role) else "" for role in Role)] for right in rights]
    tables = [purposes, table(["May", *(role.label for role in Role)], rows)]
    for one in role_sums():
        currencies = dict.fromkeys(currency for sums in one.by_role.values() for currency in sums)
        lines = [
            [currency, *(grouped(sums.get(currency, 0), currency) for sums in one.by_role.values())]
            for currency in currencies
        ]
        tables += [f"{one.words}:", table(["Currency", *(Role(role).label for role in one.by_role)], lines)]
    return "\n\n".join(tables)


def refusals_by_door() -> str:
    """Of each door that moves money, what it refuses beside what every door of its kind may say."""
    paths = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    moving = {
        path: {code for answer in door["post"]["responses"].values() for code in CODES.findall(answer["description"])}
        for path, door in paths.items()
        if any(one.get("name") == "Idempotency-Key" for one in door.get("post", {}).get("parameters", ()))
    }
    common = set.intersection(*moving.values())
    rows = [(f"`{path}`", " ".join(f"`{code}`" for code in sorted(codes - common))) for path, codes in moving.items()]
    rows.append(("each of them", " ".join(f"`{code}`" for code in sorted(common))))
    return table(["POST", "Refusals"], rows)


def undoing() -> str:
    rows = [(Kind(kind).label.capitalize(), undone.how) for kind, undone in UNDONE.items()]
    return table(["What", "How it is undone"], rows)


def states() -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in sorted(BORN)]
    lines += [f"    {before} --> {after}" for before, after in sorted(LEGAL)]
    return "\n".join([*lines, "```"])


def environment() -> str:
    """Each block of .env.example: its heading, then every variable with the sentence above it."""
    lines: list[str] = []
    said: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"# --- (.*?) -+$", line):
            lines += ["", f"**{heading[1]}**", "", table(["Variable", "Default or example", "What it does"], [])]
            said = []
        elif variable := re.match(r"# ([A-Z_0-9]+)=(.*)$", line):
            value = f"`{variable[2]}`" if variable[2] else ""
            lines.append(f"| `{variable[1]}` | {value} | {' '.join(said)} |")
            said = []
        elif line.startswith("# "):
            said.append(line.removeprefix("# "))
    return "\n".join(lines).strip()


def jobs() -> str:
    rows = [
        (f"`{job['task']}`", f"{job['schedule']:g} s" if job["schedule"] < 3600 else f"{job['schedule'] / 3600:g} h")
        for job in settings.CELERY_BEAT_SCHEDULE.values()
    ]
    return table(["Task", "Every"], rows)


def invariants() -> str:
    checks = sorted(CHECKS + LEDGER_CHECKS)
    rows = [(check.number, f"{check.statement[0].upper()}{check.statement[1:]}.") for check in checks]
    return table(["", "What must hold"], rows)


TABLES: dict[str, Callable[[], str]] = {
    made.__name__: made
    for made in (
        problems, magic_amounts, currencies, refusals, refusals_at_the_door, roles, states, environment, jobs,
        invariants, refusals_by_door, undoing,
    )
}  # fmt: skip
