"""Public PaySim logs beside the project: every row accounted for, once, and the books balanced."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.books import assert_books_balance
from transactions import replay
from transactions.models import Transaction

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "aml_mobile_money" / "paysim"
LOGS = sorted(FOLDER.glob("*.csv"))

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "path",
    LOGS or [pytest.param(None, marks=pytest.mark.skip(reason=f"no PaySim logs in {FOLDER}"))],
    ids=lambda path: path.stem if path else "absent",
)
def test_every_row_of_a_published_log_is_accounted_for(path: Path, tmp_path: Path) -> None:
    log = replay.open_log(path)
    options = replay.Options(currency="KES", start=datetime(2024, 1, 1, tzinfo=UTC))

    first = replay.replay(log, options, tmp_path / "rejects.csv")
    again = replay.replay(log, options, tmp_path / "rejects.csv")

    assert first.rows == log.rows == len(path.read_text().splitlines()) - 1
    assert first.unaccounted == again.unaccounted == 0
    assert_books_balance()
    assert first.posted.accepted > 0.3 * first.rows
    # a line is bad or not; what is left was posted once and is found again
    lines = (tmp_path / "rejects.csv").read_text().splitlines()
    assert len(lines) - 1 == first.rejected.total() == again.rejected.total() < 0.001 * first.rows
    assert set(first.rejected) <= {"amount_not_positive"}
    assert (again.posted.total, again.openings.total, again.customers) == (0, 0, 0)
    assert again.before == first.posted
    assert Transaction.objects.count() == first.posted.total + first.openings.total
