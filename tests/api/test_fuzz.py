"""Thousands of requests made up from the schema, sensible and senseless: none surprises us, none breaks the books.

The seed is fixed, so a failure comes again. Most of the sensible ones are made to name real wallets and amounts, so
that money moves meanwhile; all else about them is made up.
"""

import re
import zlib
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tekana.wsgi import application
from tests.api.doors import World, new_world
from tests.api.matrix import MATRIX, REGISTRATION
from tests.books import assert_books_balance
from transactions.models import Transaction

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
DOORS = [door for door in MATRIX if " v1/" in door and "rails/" not in door]
PER_DOOR = 48  # of each kind: 2,000 in all, for some doors there is little to make up
AMOUNTS = ["1.00", "20.5", 3, 12.25, "0.01", "400000", "99999999.99", "0", "-1", "1.005"]

MADE: Counter[str] = Counter()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def schema() -> Any:
    loaded = schemathesis.openapi.from_path(settings.BASE_DIR / "openapi.yaml")
    loaded.app = application
    loaded.config.generation.update(with_security_parameters=False)  # the matrix tries every kind of bad token
    return loaded


@pytest.fixture
def world(settings: Any) -> World:
    settings.THROTTLE_BURST = settings.THROTTLE_RATE = 100_000
    settings.FILES_BURST = 100_000
    settings.LOGIN_GUESSES = settings.LOGIN_GUESSES_PER_ADDRESS = 100_000
    return new_world()


@pytest.mark.parametrize("door", DOORS)
def test_no_request_surprises_us(door, schema, world):
    knock(door, schema, world, GenerationMode.POSITIVE)
    with suppress(Unsatisfiable):  # there is nothing to be wrong about
        knock(door, schema, world, GenerationMode.NEGATIVE)

    assert_books_balance()
    if door == "POST v1/transfers":
        assert Transaction.objects.filter(kind="transfer", state="completed").count() > 5, "too little money moved"


def knock(door: str, schema: Any, world: World, mode: GenerationMode) -> None:
    """Make PER_DOOR requests of one kind."""
    method, _, pattern = door.partition(" ")
    operation = schema["/" + re.sub(r"<(?:uuid|int|slug):(\w+)>", r"{\1}", pattern)][method]
    headers = {} if MATRIX[door].public else {"Authorization": f"Bearer {world.aline.token}"}

    def one(case: Any, amount: Any) -> None:
        if amount is not None:
            make_real(case, amount, world)
        MADE[door] += 1
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS, headers=headers)

    amounts = st.sampled_from([None, *AMOUNTS])
    trial = given(case=operation.as_strategy(generation_mode=mode), amount=amounts)(one)
    health = list(HealthCheck)
    hypothesis_settings(
        max_examples=PER_DOOR, derandomize=True, database=None, deadline=None, suppress_health_check=health
    )(trial)()


def make_real(case: Any, amount: Any, world: World) -> None:
    """Let the request name what exists, wherever it was not meant to be wrong."""
    mine = world.aline.mine
    wrong = {place for place, part in case.meta.components.items() if part.mode is GenerationMode.NEGATIVE}
    if ParameterLocation.PATH not in wrong:
        for name in case.path_parameters.keys() & set(PATH_NAMES):
            case.path_parameters[name] = str(getattr(mine, PATH_NAMES[name]))
    if wrong:
        return
    case.query.pop("cursor", None)  # nobody makes one up
    if not isinstance(case.body, dict):
        return
    if "currency" in case.body and "amount" in case.body:
        case.body |= {"amount": amount, "currency": "KES"}
    if "from_wallet_id" in case.body:
        case.body["from_wallet_id"] = str(mine.wallet)
        if "to" in case.body:
            case.body["to"] = {"wallet_id": str(world.eric.id)}
    if "full_name" in case.body and "password" in case.body:
        number = zlib.crc32(repr(case.body).encode()) % 10_000_000
        case.body |= REGISTRATION | {"email": f"{number}@example.com", "phone_number": f"+25471{number:07}"}


PATH_NAMES = {f"{name}_id": name for name in ("wallet", "transaction", "notification", "session")}


def test_that_it_was_two_thousand_requests():
    if set(MADE) != set(DOORS):
        pytest.skip("not every door was tried in this run")

    assert sum(MADE.values()) >= 2_000


@pytest.mark.parametrize(
    "broken", [ZeroDivisionError("a bug"), {"wallet_id": "not a uuid"}], ids=["server error", "undocumented body"]
)
def test_the_trial_notices_what_breaks(broken, schema, world, monkeypatch):
    def answer(*args: Any) -> Any:
        if isinstance(broken, Exception):
            raise broken
        return broken

    monkeypatch.setattr("wallets.api.serializers.WalletSerializer.to_representation", answer)

    with pytest.raises(BaseExceptionGroup):
        knock("GET v1/wallets/<uuid:wallet_id>", schema, world, GenerationMode.POSITIVE)
