"""What no password of staff is made of: our own words and one's own name, which a thief tries first.

Length and a list of common ones are Django's validators (``AUTH_PASSWORD_VALIDATORS``). Nothing is asked of what it is
made of otherwise.
"""

import re
from typing import Any

from django.core.exceptions import ValidationError

OURS = {"tekana", "wallet", "ewallet", "money", "backoffice", "office", "admin", "administrator", "support", "finance",
        "password", "passphrase", "welcome", "secret", "login", "letmein", "qwerty", "changeme"}  # fmt: skip
OWN_CHARACTERS = 6  # letters and digits that are left without them
DIFFERENT = 5  # characters


class OwnWords:
    """A password has something of its own."""

    def validate(self, password: str, user: Any = None) -> None:
        tidy = password.casefold()
        for word in sorted(OURS | names_of(user), key=len, reverse=True):
            tidy = tidy.replace(word, "")
        if len(re.sub(r"[\W_]", "", tidy)) < OWN_CHARACTERS:
            raise ValidationError("Too little is left of it without our words and your name: add some of your own.",
                                  code="our_words")  # fmt: skip
        if len(set(password)) < DIFFERENT:
            raise ValidationError("It repeats a few characters only.", code="repeats")

    def get_help_text(self) -> str:
        return "Not made of our words or your name."


def names_of(user: Any) -> set[str]:
    if user is None:
        return set()
    said = f"{user.username} {user.full_name} {user.email}".casefold()
    return {word for word in re.split(r"[\W_]+", said) if len(word) > 2}
