from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from core import context
from core.models import AuditRecord
from customers.api.serializers import RegistrationSerializer
from customers.errors import AlreadyRegistered, CountryNotOpen, TooManyAttempts, WeakPassword
from customers.models import Country, Customer
from customers.services import register
from tests.customers.conftest import counted_hashes
from tests.factories import PASSWORD, CustomerFactory, fresh

MARY = {
    "full_name": "Mary Wanjiku",
    "email": "mary@example.com",
    "phone_number": "+254712345678",
    "country": "KE",
    "account_type": "individual",
    "password": PASSWORD,
}


def test_a_new_customer_is_active_on_tier_0_and_its_password_is_kept_as_argon2id(db):
    mary = fresh(register(**MARY))

    assert (mary.state, mary.tier, mary.country.currency) == ("active", 0, "KES")
    assert mary.password.startswith("argon2$argon2id$")
    assert AuditRecord.objects.get().action == "register"


@pytest.mark.parametrize("taken", ["email", "phone_number"])
def test_a_taken_number_or_address_is_refused_without_saying_which(db, monkeypatch, taken):
    register(**MARY)
    others = {"email": "other@example.com", "phone_number": "+254722345678"} | {taken: MARY[taken]}

    with counted_hashes(monkeypatch) as hashes, pytest.raises(AlreadyRegistered) as refusal:
        register(**MARY | others)

    assert hashes == ["encode"]  # as for a free one
    assert (refusal.value.detail, refusal.value.facts) == (AlreadyRegistered.for_customer, {})
    assert Customer.objects.count() == 1


def test_two_at_once_make_one_customer(transactional_db):
    def attempt(_):
        try:
            with transaction.atomic():
                return register(**MARY)
        except AlreadyRegistered:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(attempt, range(8)))

    assert sum(customer is not None for customer in made) == 1
    assert Customer.objects.count() == 1


def test_nobody_reads_the_customer_list_by_registering(db, settings):
    """Refusals count as wrong guesses of the address; successes do not."""
    settings.LOGIN_GUESSES_PER_ADDRESS = 3
    token = context.client_ip.set("203.0.113.7")
    for n in range(5):
        register(**MARY | {"email": f"m{n}@example.com", "phone_number": f"+25471234568{n}"})

    for _ in range(3):
        with pytest.raises(AlreadyRegistered):
            register(**MARY | {"email": "m1@example.com"})
    with pytest.raises(TooManyAttempts) as refusal:
        register(**MARY | {"email": "m1@example.com"})

    assert 0 < refusal.value.facts["retry_after"] <= settings.LOGIN_GUESS_WINDOW_SECONDS
    context.client_ip.reset(token)


def test_a_country_that_is_not_open_is_refused(db):
    Country.objects.filter(code="RW").update(is_open=False)

    for code in ("RW", "US", "", "??"):
        with pytest.raises(CountryNotOpen):
            register(**MARY | {"country": code})
    assert register(**MARY | {"country": "ke"}).country_id == "KE"


@pytest.mark.parametrize(
    "password", ["short12", "x" * 129, "password", "Password1", "qwertyuiop", "tekana2026", "Tekana!!!", "M-Pesa 2026",
                 "aaaaaaaaaa", "+254712345678", "254712345678", "mary@example.com", "Mary Wanjiku", "marywanjiku"],
)  # fmt: skip
def test_a_password_that_a_thief_tries_first_is_refused(db, password):
    with pytest.raises(WeakPassword):
        register(**MARY | {"password": password})
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    "password", ["lowercase only please", "x7" * 64, "a  b  c .", "пароль из слов", "12345678901357"]
)
def test_there_are_no_rules_of_composition(db, password):
    assert register(**MARY | {"password": password})


@pytest.mark.parametrize("field", ["role", "is_staff", "tier", "state", "status", "id", "customer_id", "created_at"])
def test_nobody_registers_into_a_role_or_tier(field):
    body = RegistrationSerializer(data=MARY | {field: "admin"})

    assert not body.is_valid()
    assert body.errors[field][0].code == "unknown_field"


@pytest.mark.parametrize("field", sorted(MARY))
def test_every_field_is_needed(field):
    body = RegistrationSerializer(data={name: value for name, value in MARY.items() if name != field})

    assert not body.is_valid()
    assert set(body.errors) == {field}


def test_numbers_and_addresses_are_kept_in_one_form():
    body = RegistrationSerializer(data=MARY | {"email": " Mary@Example.COM", "phone_number": "+254 (712) 345-678"})

    assert body.is_valid()
    assert (body.validated_data["email"], body.validated_data["phone_number"]) == ("mary@example.com", "+254712345678")


@pytest.mark.parametrize(("column", "value"), [("email", "MARY@EXAMPLE.COM"), ("phone_number", "0712345678")])
def test_the_database_refuses_any_other_form(db, column, value):
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomerFactory(**{column: value})
