"""S1, S2: fifteen characters or more, all of which count; none that a thief tries first; no rule of composition."""

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from staff.models import User
from staff.roles import Role

GRACE = User(username="grace", full_name="Grace Wambui", email="grace.w@example.com", role=Role.SUPPORT)


@pytest.mark.parametrize(
    "password",
    [
        "fourteen chars", "123456789123456789", "tekana-tekana-1", "TekanaWallet2026!!", "Grace.Wambui.2026",
        "aaaaaaaaaaaaaaaaa", "password-password", "gracewambui@example", "Welcome to Tekana 1",
    ],
)  # fmt: skip
def test_what_a_thief_tries_first_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, GRACE)


@pytest.mark.parametrize(
    "password",
    [
        "seven quiet herons", "seven quiet tekana herons", "correct horse battery staple", "x" * 30 + "yzabcdef",
        "483920174839201", "ウォレットの鍵は海の底に沈んでいます", "grace plants maize on the hill",
    ],
)  # fmt: skip
def test_what_has_something_of_its_own_is_taken(password: str) -> None:
    validate_password(password, GRACE)


def test_every_one_of_65_characters_counts(db: Any) -> None:
    whole = "abcdefghij" * 6 + "klmno"
    User.objects.create_user("long", whole, Role.SUPPORT, full_name="Long")

    assert authenticate(username="long", password=whole)
    assert not authenticate(username="long", password=whole[:64])
