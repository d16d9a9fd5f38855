"""No float comes near money: where money is handled there is none at all, but for lengths of time."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONEY = [
    "core/money.py", "core/serializers.py", "core/work.py", "customers/models.py", "customers/selectors.py", "fx",
    "ledger", "wallets", "transactions", "payments",
]  # fmt: skip
NOT_MONEY = ["management", "rails/sandbox_server.py"]  # commands show figures; the pretended bank has its delays
TIME = re.compile(r"second|timeout|sleep|monotonic|uniform|backoff|_kept:", re.I)


def files() -> list[Path]:
    found = [path for name in MONEY for path in (sorted((ROOT / name).rglob("*.py")) or [ROOT / name])]
    return [path for path in found if not any(part in str(path) for part in NOT_MONEY)]


def floats_in(source: str) -> list[str]:
    """Every place that is a float, makes one, divides into one or says that there is one; but for lengths of time."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float()):
                pass
            case ast.Name(id="float" | "FloatField") | ast.Attribute(attr="float" | "FloatField" | "fsum"):
                pass
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                pass
            case _:
                continue
        line = lines[node.lineno - 1]
        if not TIME.search(line):
            found.append(f"{node.lineno}: {line.strip()}")
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_comes_near_money(path):
    assert floats_in(path.read_text()) == []


def test_the_places_that_handle_money_are_looked_at():
    names = {str(path.relative_to(ROOT)) for path in files()}
    assert {"core/money.py", "ledger/books.py", "transactions/tariff.py", "transactions/deciding.py"} <= names
    assert all(path.exists() for path in files())


@pytest.mark.parametrize(
    "source",
    [
        "amount = float(text)", "amount = 0.1", "amount = 1e3", "def fee(amount: float): ...", "x: list[float] = []",
        "amount = models.FloatField()", "amount = FloatField()", "fee = amount * bps / 10_000", "total /= 2",
        "total = math.fsum(amounts)", "rows = map(float, amounts)", "amount = numpy.float(1)",
    ],
)  # fmt: skip
def test_each_kind_of_float_is_seen(source):
    """The control."""
    assert len(floats_in(source)) == 1


@pytest.mark.parametrize(
    "source", ["amount = 1 // 2", "sleep(0.1)", "timeout_seconds: float = 0.5", "code = rail_float(rail)", "x = '0.1'"]
)
def test_integers_and_lengths_of_time_are_no_offence(source):
    assert floats_in(source) == []
