"""The accounting of each movement: for any amount and fee its lines balance, and say what an accountant expects."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.books import CREDIT, DEBIT
from transactions.journals import cash_out_lines, reversal_lines, top_up_lines, transfer_lines

amounts = st.integers(1, 10**15)
fees = st.integers(0, 10**9)


def sides(lines):
    return {(line.account, line.side): line.amount for line in lines if line.amount}


@given(amounts, fees)
def test_every_journal_balances_whatever_the_amounts(amount, fee):
    for rule in (transfer_lines, top_up_lines, cash_out_lines, reversal_lines):
        lines = rule("one", "other", amount + fee, fee, "fees")
        assert sum(line.side * line.amount for line in lines) == 0
        assert all(line.amount >= 0 for line in lines)


def test_a_transfer():
    assert sides(transfer_lines("payer", "payee", 100, 7, "fees")) == {
        ("payer", DEBIT): 107, ("payee", CREDIT): 100, ("fees", CREDIT): 7,
    }  # fmt: skip


def test_a_top_up():
    assert sides(top_up_lines("wallet", "rail", 100, 7, "fees")) == {
        ("rail", DEBIT): 100, ("wallet", CREDIT): 93, ("fees", CREDIT): 7,
    }  # fmt: skip


def test_a_cash_out():
    assert sides(cash_out_lines("wallet", "rail", 100, 7, "fees")) == {
        ("wallet", DEBIT): 107, ("rail", CREDIT): 100, ("fees", CREDIT): 7,
    }  # fmt: skip


def test_a_reversal_is_the_mirror_of_a_transfer():
    """``payer`` and ``payee`` are those of the original; in part, and without its fee, too."""
    assert sides(reversal_lines("payer", "payee", 100, 7, "fees")) == {
        ("payee", DEBIT): 100, ("fees", DEBIT): 7, ("payer", CREDIT): 107,
    }  # fmt: skip
    mirrored = {(line.account, -line.side, line.amount) for line in transfer_lines("payer", "payee", 100, 7, "fees")}
    assert {tuple(line) for line in reversal_lines("payer", "payee", 100, 7, "fees")} == mirrored
    assert sides(reversal_lines("payer", "payee", 40, 0, "fees")) == {("payee", DEBIT): 40, ("payer", CREDIT): 40}
