"""How much each role gives back alone, of one transaction and in 24 hours, in minor units. Above it a second person
approves.

Of one transaction all parts count that anybody gave back alone, in 24 hours all that one person did. Part of the
program, as roles are (`staff/roles.py`): nobody widens it in the back office. A role or currency that is not here does
nothing alone. The page of roles and docs/support.md show both.
"""

from staff.roles import Role, Sums

TIMES_A_DAY = 5
REVERSES_ALONE: dict[str, dict[str, int]] = {
    Role.SUPPORT: {
        "KES": 10_000_00, "RWF": 100_000, "UGX": 300_000, "TZS": 200_000_00, "NGN": 100_000_00, "GHS": 1_000_00,
        "ZAR": 1_500_00, "USD": 75_00, "EUR": 75_00, "GBP": 60_00,
    },
    Role.SENIOR_SUPPORT: {
        "KES": 30_000_00, "RWF": 300_000, "UGX": 900_000, "TZS": 600_000_00, "NGN": 300_000_00, "GHS": 3_000_00,
        "ZAR": 4_500_00, "USD": 225_00, "EUR": 225_00, "GBP": 180_00,
    },
    Role.ADMINISTRATOR: {
        "KES": 100_000_00, "RWF": 1_000_000, "UGX": 3_000_000, "TZS": 2_000_000_00, "NGN": 1_000_000_00,
        "GHS": 10_000_00, "ZAR": 15_000_00, "USD": 750_00, "EUR": 750_00, "GBP": 600_00,
    },
}  # fmt: skip
REVERSES_ALONE_A_DAY: dict[str, dict[str, int]] = {
    role: {currency: TIMES_A_DAY * amount for currency, amount in sums.items()} for role, sums in REVERSES_ALONE.items()
}
# Of the fee of one transaction, and in 24 hours: a twentieth of what a role gives back alone.
WAIVES_ALONE: dict[str, dict[str, int]] = {
    role: {currency: amount // 20 for currency, amount in sums.items()} for role, sums in REVERSES_ALONE.items()
}
WAIVES_ALONE_A_DAY: dict[str, dict[str, int]] = {
    role: {currency: TIMES_A_DAY * amount for currency, amount in sums.items()} for role, sums in WAIVES_ALONE.items()
}
MOST_WAIVED_ALONE: dict[str, int] = {
    currency: max(sums.get(currency, 0) for sums in WAIVES_ALONE.values())
    for currency in set().union(*WAIVES_ALONE.values())
}
# The most that anybody ever gave back alone of one transaction: the proof of the books holds all reversals against it.
# Who lowers a sum above keeps the former one here, for what went back under it stays right.
MOST_ALONE: dict[str, int] = {
    currency: max(sums.get(currency, 0) for sums in REVERSES_ALONE.values())
    for currency in set().union(*REVERSES_ALONE.values())
}
# Shown as tables with the roles (``settings.ROLE_SUMS``).
SUMS = [
    Sums("Given back alone, of one transaction", REVERSES_ALONE),
    Sums("Given back alone, in 24 hours", REVERSES_ALONE_A_DAY),
    Sums("Waived alone, of the fee of one transaction", WAIVES_ALONE),
    Sums("Waived alone, in 24 hours", WAIVES_ALONE_A_DAY),
]
