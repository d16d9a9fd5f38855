"""Which passwords a customer may choose, and checking one without telling whether there is an account."""

from collections.abc import Iterable
from functools import cache

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator

from customers.errors import WeakPassword
from customers.models import Customer

SHORTEST, LONGEST = 8, 128
# What people who use a wallet put first; with digits and symbols around them they are no better.
PRODUCT_WORDS = frozenset({
    "tekana", "mytekana", "tekanawallet", "wallet", "mywallet", "ewallet", "mobilemoney", "mpesa", "mymoney", "money",
    "kenya", "rwanda", "uganda", "tanzania", "nigeria", "ghana", "southafrica", "nairobi", "kigali", "lagos",
    "password",
})  # fmt: skip


def check_choice(password: str, *, personal: Iterable[str] = ()) -> None:
    """Length and a list of what thieves try first; no rules of composition (NIST SP 800-63B, 3.1.1.2).

    Args:
        personal: the customer's own phone number, e-mail address and name: not to be used as the password.
    Raises: WeakPassword.
    """
    if len(password) < SHORTEST:
        raise WeakPassword(f"At least {SHORTEST} characters.", reason="too_short")
    if len(password) > LONGEST:
        raise WeakPassword(f"At most {LONGEST} characters.", reason="too_long")
    tidy = password.strip().lower()
    if tidy in common_passwords() or letters(tidy) in PRODUCT_WORDS or len(set(tidy)) <= 1:
        raise WeakPassword("This is one of the first passwords that a thief tries.", reason="too_common")
    own = {characters(text) for value in personal for text in (value, value.partition("@")[0])}
    if characters(tidy) in own:
        raise WeakPassword("Not your own name, number or address.", reason="personal")


@cache
def common_passwords() -> frozenset[str]:
    """Django's bundled 20,000."""
    return frozenset(CommonPasswordValidator().passwords)


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


def characters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def is_correct(password: str, customer: Customer | None) -> bool:
    """One evaluation of argon2id, whether there is such a customer or not. A hash with older parameters is renewed."""
    if customer is None:
        check_password(password, nobodys_hash())
        return False

    def renew(raw: str) -> None:
        renewed = make_password(raw)
        # only over the hash just checked: a password changed meanwhile stays changed
        Customer.objects.filter(pk=customer.pk, password=customer.password).update(password=renewed)

    return check_password(password, customer.password, setter=renew)


@cache
def nobodys_hash() -> str:
    return make_password("nobody's")
