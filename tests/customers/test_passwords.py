import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, make_password

from core.hashers import Argon2id
from customers.models import Customer
from tests.factories import PASSWORD, CustomerFactory, fresh


@pytest.fixture
def in_earnest(monkeypatch, real_hash_costs):
    for name, cost in real_hash_costs.items():
        monkeypatch.setattr(Argon2id, name, cost)


def test_argon2id_is_the_first_hasher_with_the_parameters_owasp_names(in_earnest):
    encoded = make_password(PASSWORD)

    assert type(get_hasher()) is Argon2id
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_an_old_hash_is_renewed_at_sign_in(db, api, monkeypatch):
    monkeypatch.setattr(Argon2id, "memory_cost", 32)
    mary = CustomerFactory(email="mary@example.com")
    assert "m=32," in mary.password
    monkeypatch.setattr(Argon2id, "memory_cost", 64)

    assert api.login("mary@example.com", "wrong password").status_code == 401
    mary = fresh(mary)
    assert "m=32," in mary.password

    assert api.login("mary@example.com").status_code == 200
    mary = fresh(mary)
    assert "m=64," in mary.password
    assert api.login("mary@example.com").status_code == 200


def test_a_fresh_database_lets_nobody_in(db):
    assert not Customer.objects.exists()
    assert not get_user_model().objects.exists()


def test_no_secret_has_a_built_in_value():
    """Without SECRET_KEY nothing starts, and every other key is derived from it."""
    environment = {"DATABASE_URL": "postgres://u:p@h/d", "REDIS_URL": "redis://h", "VAR_DIR": "/nowhere"}

    started = subprocess.run(
        [sys.executable, "-c", "import environ; environ.Env.read_env = lambda *a, **k: None; import tekana.settings"],
        cwd=Path(django_settings.BASE_DIR), env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert started.returncode != 0
    assert "SECRET_KEY" in started.stderr
