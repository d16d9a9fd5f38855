import pytest

from core.hashers import Argon2id
from customers.models import Customer
from tests.factories import CustomerFactory


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same algorithm at a thousandth of its cost; what it costs in earnest is asserted in test_passwords.py."""
    monkeypatch.setattr(Argon2id, "memory_cost", 64)
    monkeypatch.setattr(Argon2id, "time_cost", 1)


@pytest.fixture
def mary(db: None) -> Customer:
    return CustomerFactory(full_name="Mary Wanjiku", email="mary@example.com", phone_number="+254712345678")
