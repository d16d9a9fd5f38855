"""Weekends, and the public holidays that come each year, of the countries of the pilot, by their holiday acts.

What is declared year by year (the feasts of Islam, elections, days of mourning) is entered when it is declared.
"""

from datetime import date

from django.db import migrations

GOOD_FRIDAY, EASTER_MONDAY = -2, 1
# Name, then (month, day), days from Easter, or (month, nth, weekday); then what is given instead, and from which year.
YEARLY = {
    "KE": ("sunday", [
        ("New Year's Day", (1, 1)), ("Good Friday", GOOD_FRIDAY), ("Easter Monday", EASTER_MONDAY),
        ("Labour Day", (5, 1)), ("Madaraka Day", (6, 1)), ("Mazingira Day", (10, 10)), ("Mashujaa Day", (10, 20)),
        ("Jamhuri Day", (12, 12)), ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
    "RW": ("weekend", [
        ("New Year's Day", (1, 1)), ("Day after New Year", (1, 2)), ("National Heroes Day", (2, 1)),
        ("Genocide against the Tutsi Memorial Day", (4, 7)), ("Good Friday", GOOD_FRIDAY),
        ("Easter Monday", EASTER_MONDAY), ("Labour Day", (5, 1)), ("Independence Day", (7, 1)),
        ("Liberation Day", (7, 4)), ("Umuganura Day", (8, 1, 5)), ("Assumption Day", (8, 15)),
        ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
    "NG": ("", [
        ("New Year's Day", (1, 1)), ("Good Friday", GOOD_FRIDAY), ("Easter Monday", EASTER_MONDAY),
        ("Workers' Day", (5, 1)), ("Democracy Day", (6, 12)), ("Independence Day", (10, 1)),
        ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
    "ZA": ("sunday", [
        ("New Year's Day", (1, 1)), ("Human Rights Day", (3, 21)), ("Good Friday", GOOD_FRIDAY),
        ("Family Day", EASTER_MONDAY), ("Freedom Day", (4, 27)), ("Workers' Day", (5, 1)), ("Youth Day", (6, 16)),
        ("National Women's Day", (8, 9)), ("Heritage Day", (9, 24)), ("Day of Reconciliation", (12, 16)),
        ("Christmas Day", (12, 25)), ("Day of Goodwill", (12, 26)),
    ]),
    "GH": ("weekend", [
        ("New Year's Day", (1, 1)), ("Constitution Day", (1, 7)), ("Independence Day", (3, 6)),
        ("Good Friday", GOOD_FRIDAY), ("Easter Monday", EASTER_MONDAY), ("May Day", (5, 1)),
        ("National Day of Prayer and Thanksgiving", (7, 1)), ("Founder's Day", (9, 21)), ("Farmer's Day", (12, 1, 5)),
        ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
    "UG": ("", [
        ("New Year's Day", (1, 1)), ("Liberation Day", (1, 26)), ("Archbishop Janani Luwum Day", (2, 16)),
        ("International Women's Day", (3, 8)), ("Good Friday", GOOD_FRIDAY), ("Easter Monday", EASTER_MONDAY),
        ("Labour Day", (5, 1)), ("Martyrs' Day", (6, 3)), ("National Heroes' Day", (6, 9)),
        ("Independence Day", (10, 9)), ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
    "TZ": ("", [
        ("New Year's Day", (1, 1)), ("Zanzibar Revolution Day", (1, 12)), ("Karume Day", (4, 7)),
        ("Good Friday", GOOD_FRIDAY), ("Easter Monday", EASTER_MONDAY), ("Union Day", (4, 26)),
        ("Workers' Day", (5, 1)), ("Saba Saba", (7, 7)), ("Nane Nane", (8, 8)), ("Nyerere Day", (10, 14)),
        ("Independence Day", (12, 9)), ("Christmas Day", (12, 25)), ("Boxing Day", (12, 26)),
    ]),
}  # fmt: skip
# Whatever day of the week they fall on, there is no other day for them.
NO_OTHER_DAY = {("RW", "Genocide against the Tutsi Memorial Day")}


def when(said):
    match said:
        case int():
            return {"easter": said}
        case (month, day):
            return {"month": month, "day": day}
        case (month, nth, weekday):
            return {"month": month, "nth": nth, "weekday": weekday}
    raise ValueError(said)


def seed(apps, schema_editor):
    weekend, rule = apps.get_model("schedules", "Weekend"), apps.get_model("schedules", "HolidayRule")
    there = set(apps.get_model("customers", "Country").objects.values_list("pk", flat=True))
    known = {country: what for country, what in YEARLY.items() if country in there}
    weekend.objects.bulk_create(
        [weekend(country_id=country, weekdays="67", effective_from=date(1970, 1, 1)) for country in known]
    )
    rule.objects.bulk_create(
        [
            rule(
                country_id=country, name=name,
                substitute="" if isinstance(said, int) or (country, name) in NO_OTHER_DAY else instead, **when(said)
            )
            for country, (instead, feasts) in known.items()
            for name, said in feasts
        ]
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("schedules", "0002_guards"), ("customers", "0006_reveals")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
