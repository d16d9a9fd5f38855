"""The plan of the demo: who they are and what they do on which day, made from a fixed seed. Nothing is done here.

Only the days shift with the date of the first start. Phone numbers are valid and not known to belong to anybody; mail
addresses are at example.com, which takes no mail.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

from customers.models import AccountType
from staff.roles import Role
from transactions.models import Kind

SEED = 2026
DAYS = 30
LAST = "pilot-month-complete"
CURRENCY = {"KE": "KES", "RW": "RWF", "UG": "UGX", "TZ": "TZS", "NG": "NGN", "GH": "GHS", "ZA": "ZAR"}
# Minor units: what about one dollar is worth, and what people round to.
DOLLAR = {"KE": 129_00, "RW": 1_450, "UG": 3_600, "TZ": 2_500_00, "NG": 1_500_00, "GH": 12_00, "ZA": 17_00}
OPENS = {"KE": 0, "RW": 2, "NG": 7, "ZA": 10, "GH": 13, "UG": 16, "TZ": 19}  # day of the month
ROUND = {"KE": 50_00, "RW": 500, "UG": 1_000, "TZ": 500_00, "NG": 500_00, "GH": 5_00, "ZA": 10_00}


class Person(NamedTuple):
    """Somebody of the pilot, who joins on the day on which it opens in their country."""

    full_name: str
    country: str
    phone_number: str
    email: str
    account_type: str = AccountType.INDIVIDUAL
    tier: int = 1


class Step(NamedTuple):
    """Something that happens. ``what`` names a method of `demo_data.Pilot`, ``about`` is what it takes."""

    at: datetime
    key: str
    what: str
    about: dict[str, Any]


# Two to sign in as, and those to whom something happens.
WANJIRU = Person("Wanjiru Kamau", "KE", "+254712345001", "wanjiru.kamau@example.com", tier=2)
OTIENO = Person("Otieno Odhiambo", "KE", "+254712345002", "otieno.odhiambo@example.com", tier=2)
BRIAN = Person("Brian Mutiso", "KE", "+254722345003", "brian.mutiso@example.com")
FAITH = Person("Faith Chebet", "KE", "+254723345004", "faith.chebet@example.com")
HASSAN = Person("Hassan Abdi", "KE", "+254741345005", "hassan.abdi@example.com", tier=0)
ESTHER = Person("Esther Nyambura", "KE", "+254757345006", "esther.nyambura@example.com")
ALINE = Person("Aline Mukamana", "RW", "+250788345007", "aline.mukamana@example.com")
ERIC = Person("Eric Habimana", "RW", "+250788345008", "eric.habimana@example.com")
CHARACTERS = [WANJIRU, OTIENO, BRIAN, FAITH, HASSAN, ESTHER, ALINE, ERIC]
NOBODY = "+254799000000"
SIGN_IN = {WANJIRU.phone_number: WANJIRU, OTIENO.email: OTIENO}  # one by number, one by address
STAFF = {
    Role.SUPPORT: "Grace Akinyi", Role.SENIOR_SUPPORT: "Peter Omondi", Role.COMPLIANCE: "Zainab Yusuf",
    Role.FINANCE: "Samuel Njoroge", Role.FINANCE_CHECKER: "Joyce Wambui", Role.OPERATIONS: "Isaac Mugabo",
    Role.AUDITOR: "Amina Bello", Role.ADMINISTRATOR: "Diane Uwase",
}  # fmt: skip

# --- The others ------------------------------------------------------------------------------------------------------
MOBILE = {
    "KE": "+25471", "RW": "+25078", "UG": "+25677", "TZ": "+25575", "NG": "+234803", "GH": "+23324", "ZA": "+2782",
}  # fmt: skip
GIVEN = {
    "KE": "Achieng Kevin Mercy Joseph Wambui Peter Njeri Dennis Lucy Samuel Cheptoo Victor Purity Collins Naliaka",
    "RW": "Claudine Jean-Bosco Diane Innocent Solange Patrick Vestine Emmanuel Chantal Olivier",
    "UG": "Nakato Moses Brenda Ivan Sarah", "TZ": "Neema Juma Rehema Godfrey", "NG": "Chidi Ngozi Tunde",
    "GH": "Kwame Abena Kofi", "ZA": "Thandi Sipho Lerato",
}  # fmt: skip
FAMILY = {
    "KE": "Otieno Kiptoo Wanjala Mwangi Njoroge Mutua Ouma Kariuki Barasa Cherono Maina Atieno Kilonzo Wekesa Gathoni",
    "RW": "Uwimana Niyonzima Ingabire Mugisha Umutoni Nshimiyimana Mukandayisenga Hakizimana Iradukunda Rukundo",
    "UG": "Namukasa Okello Atim Ssemwogerere Nabirye", "TZ": "Mushi Mwakasege Kimaro Massawe",
    "NG": "Okafor Eze Adeyemi", "GH": "Mensah Boateng Asante", "ZA": "Dlamini Nkosi Mokoena",
}  # fmt: skip
BUSINESSES = {
    "KE": [
        ("Mama Njeri Grocers", AccountType.SME), ("Kilimani Pharmacy", AccountType.SME),
        ("Nyeri Coffee Exports", AccountType.EXPORTER), ("Maji Safi Trust", AccountType.NGO),
    ],
    "RW": [("Remera Fresh Market", AccountType.SME), ("Kigali Books Online", AccountType.ECOMMERCE)],
    "UG": [("Nakasero Electronics", AccountType.SME)], "TZ": [("Kariakoo Fabrics", AccountType.SME)],
    "NG": [("Yaba Code Studio", AccountType.STARTUP)], "GH": [("Osu Design House", AccountType.FREELANCER)],
    "ZA": [("Soweto Bikes", AccountType.SME)],
}  # fmt: skip
MEMOS = [
    "", "", "", "lunch", "rent", "school fees", "chama", "fare", "for mum", "harambee", "asante sana", "birthday",
    "the match on Sunday", "half of the taxi", "eggs and milk", "loan, thank you",
]  # fmt: skip


def dice(which: int) -> random.Random:
    return random.Random(SEED + which)  # noqa: S311 (the same throws every time)


def everybody() -> list[Person]:
    """The characters, and forty-three people and eleven businesses around them."""
    chance = dice(0)
    people = list(CHARACTERS)
    for country, businesses in BUSINESSES.items():
        names = zip(GIVEN[country].split(), FAMILY[country].split(), strict=True)
        for full_name, account_type in [(" ".join(name), AccountType.INDIVIDUAL) for name in names] + businesses:
            subscriber = str(chance.randrange(4_000_000, 9_999_999))
            business = account_type != AccountType.INDIVIDUAL
            people.append(
                Person(
                    full_name, country, MOBILE[country] + subscriber,
                    f"{full_name.lower().replace(' ', '.')}@example.com", account_type,
                    tier=2 if business else 1,
                )
            )  # fmt: skip
    return people


# --- The month -------------------------------------------------------------------------------------------------------
def steps(now: datetime) -> list[Step]:
    """Everything that happens in the thirty days before ``now``, in order."""
    first = datetime.combine(now.astimezone(UTC).date() - timedelta(days=DAYS), time(), UTC)
    planned = [*joining(), *everyday(), *stories(), *orders(), *promises(), *exchanges()]
    month = [Step(first + after, key, what, about) for after, key, what, about in planned]
    today = [Step(now - before, key, what, about) for before, key, what, about in last_hours()]
    return sorted(month + today, key=lambda step: (step.at, step.key))


Planned = tuple[timedelta, str, str, dict[str, Any]]


def at(day: int, clock: str) -> timedelta:
    """``clock`` in UTC: the pilot's countries are none to three hours ahead."""
    hours, minutes = clock.split(":")
    return timedelta(days=day, hours=int(hours), minutes=int(minutes))


def joining() -> Iterator[Planned]:
    """Country by country, and the first money of each."""
    chance = dice(1)
    groups: dict[tuple[str, int], list[Person]] = {}
    for person in everybody():
        groups.setdefault((person.country, person.tier), []).append(person)
    for (country, tier), people in groups.items():
        yield at(OPENS[country], "05:00"), f"pilot-join-{country}-{tier}", "join", {"people": people}
        for person in people:
            amount = rounded(chance.randrange(60, 200) * DOLLAR[country], country)
            after = at(OPENS[country], "05:10") + timedelta(seconds=chance.randrange(3 * 3600))
            about = {"payee": person, "amount": amount, "memo": "savings"}
            yield after, f"pilot-first-{person.email}", "receive", about


def everyday() -> Iterator[Planned]:
    """Transfers, purchases, top-ups and cash-outs, more of them week by week."""
    chance = dice(2)
    people = [person for person in everybody() if person not in CHARACTERS[2:]]
    purses: Counter[str] = Counter({person.email: 60 for person in people})  # dollars, at least
    moments = [
        (day, second)
        for day in range(DAYS)
        for second in sorted(chance.choices(range(9 * 3600, 19 * 3600), k=8 + day // 3 - 4 * (day % 7 in (5, 6))))
    ]
    for number, (day, second) in enumerate(moments, 1):
        payer = chance.choice([one for one in people if OPENS[one.country] <= day])
        near = [one for one in people if one.country == payer.country and one is not payer]
        what, about = everyday_act(chance, payer, near, purses, number)
        yield timedelta(days=day, seconds=second), f"pilot-day-{number:05}", what, about


def everyday_act(
    chance: random.Random, payer: Person, near: list[Person], purses: Counter[str], number: int
) -> tuple[str, dict[str, Any]]:
    """What somebody does; whose purse runs low tops it up."""
    what = chance.choices(["transfer", "payment", "cash_out", "top_up"], [50, 26, 12, 12])[0]
    dollars, dollar = min(int(chance.lognormvariate(1.9, 0.8)) + 1, 50), DOLLAR[payer.country]
    works = payer.account_type == AccountType.INDIVIDUAL
    if what == "top_up" or purses[payer.email] < dollars + 3:
        dollars = chance.randrange(20, 120)
        purses[payer.email] += dollars
        about: dict[str, Any] = {"payee": payer, "amount": rounded(dollars * dollar, payer.country)}
        if chance.random() < 0.5:
            return "top_up", about
        return "receive", about | {"memo": chance.choice(["salary", "wages"] if works else ["sales"])}
    purses[payer.email] -= dollars + 3  # the fee of a cash-out is less
    about = {"payer": payer, "amount": rounded(dollars * dollar, payer.country)}
    if what == "cash_out":
        return what, about
    shops = [one for one in near if one.account_type != AccountType.INDIVIDUAL]
    if what == "payment" and works and shops:
        bill = dollars * dollar + chance.randrange(dollar)
        return what, about | {"payee": chance.choice(shops), "amount": bill, "memo": f"order {1000 + number}"}
    payee = chance.choice(near)
    purses[payee.email] += dollars
    return "transfer", about | {"payee": payee, "memo": chance.choice(MEMOS)}


def rounded(amount: int, country: str) -> int:
    return max(amount // ROUND[country], 1) * ROUND[country]


def stories() -> Iterator[Planned]:
    """What a support agent is asked about. Amounts ending in 901 or 902 are those the sandbox bank refuses."""
    tales: list[tuple[int, str, str, dict[str, Any]]] = [
        # refusals
        (2, "08:12", "transfer", {"payer": BRIAN, "payee": NOBODY, "amount": 1_500_00, "memo": "for Mary"}),
        (4, "09:40", "transfer", {"payer": FAITH, "payee": FAITH, "amount": 500_00, "memo": "savings"}),
        (6, "12:05", "transfer", {"payer": HASSAN, "payee": BRIAN, "amount": 150_000_00, "memo": "motorbike"}),
        (8, "10:30", "transfer", {"payer": WANJIRU, "payee": ALINE, "amount": 2_000_00, "memo": "for the trip"}),
        (9, "07:50", "transfer", {"payer": ERIC, "payee": ALINE, "amount": 900_000, "memo": "deposit for the flat"}),
        (11, "06:45", "top_up", {"payee": ESTHER, "amount": 5_009_01}),
        (13, "14:20", "cash_out", {"payer": BRIAN, "amount": 1_009_02}),
        (16, "11:11", "wrong_currency", {"payer": ALINE, "payee": ERIC, "amount": 1_000_00, "currency": "KES"}),
        (25, "08:00", "receive", {"payee": HASSAN, "amount": 310_000_00, "memo": "sale of the car"}),
        (25, "16:40", "transfer", {"payer": HASSAN, "payee": FAITH, "amount": 45_000_00, "memo": "for the shop"}),
        (26, "12:00", "transfer", {"payer": WANJIRU, "payee": NOBODY, "amount": 1_000_00, "memo": "airtime"}),
        (28, "15:25", "transfer", {"payer": OTIENO, "payee": ALINE, "amount": 3_500_00, "memo": "fabric"}),
        (29, "08:35", "cash_out", {"payer": HASSAN, "amount": 80_000_00}),
        # paid twice, to the wrong person, and a quarrel settled by half
        (14, "16:02", "transfer", {"payer": ESTHER, "payee": FAITH, "amount": 2_400_00, "memo": "dress"}),
        (14, "16:03", "transfer", {"payer": ESTHER, "payee": FAITH, "amount": 2_400_00, "memo": "dress"}),
        (17, "09:15", "transfer", {"payer": OTIENO, "payee": HASSAN, "amount": 3_000_00, "memo": "rent"}),
        (19, "13:30", "transfer", {"payer": ERIC, "payee": ALINE, "amount": 40_000, "memo": "guitar"}),
        # a lost phone, twice; one was found
        (15, "07:05", "freeze", {"of": FAITH, "mode": "both", "reason": "Phone left in a matatu; she called at once."}),
        (15, "15:40", "lift", {"of": FAITH, "reason": "Phone found; answered the questions about her last payments."}),
        (24, "06:20", "freeze", {"of": BRIAN, "mode": "both", "reason": "Phone stolen; he knew his last transfers."}),
        (24, "06:31", "transfer", {"payer": BRIAN, "payee": HASSAN, "amount": 1_000_00}),
        (24, "18:10", "transfer", {"payer": OTIENO, "payee": BRIAN, "amount": 700_00, "memo": "football"}),
        # a seller who does not deliver
        (27, "10:00", "suspend", {"who": ESTHER, "reason": "Four buyers in two days paid; nothing was delivered."}),
        (27, "10:22", "transfer", {"payer": WANJIRU, "payee": ESTHER, "amount": 1_800_00, "memo": "sandals"}),
        # the bank reports another amount; a worker is lost three times
        (28, "09:30", "odd_amount", {"payer": ALINE, "amount": 12_000}),
        (29, "17:20", "lost", {"payer": OTIENO, "amount": 2_500_00}),
    ]  # fmt: skip
    for day, clock, what, about in tales:
        yield at(day, clock), story(day, clock), what, about
    for day, clock, payer, original, part, code, note in [
        (14, "18:30", ESTHER, story(14, "16:03"), None, "duplicate", "She tapped twice; Faith agrees."),
        (17, "11:00", OTIENO, story(17, "09:15"), None, "wrong_recipient", "One digit wrong; Hassan agrees."),
        (20, "08:45", ERIC, story(19, "13:30"), 16_000, "customer_request", "A string was broken; they settled."),
    ]:
        about = {"payer": payer, "original": original, "amount": part, "reason_code": code, "note": note}
        yield at(day, clock), f"{original}-back", "reverse", about
    for person, day in ((WANJIRU, 26), (ALINE, 20), (ERIC, 28), (HASSAN, 12)):
        yield at(day, "19:30"), f"pilot-read-{person.email}", "read", {"who": person}


def orders() -> Iterator[Planned]:
    """Standing orders and statements, and the rounds that make them, in the morning and for second tries in the
    afternoon."""
    weekly = {"frequency": "weekly", "rule": "next"}
    last_day = {"frequency": "monthly", "month_day": 31, "rule": "previous"}
    for day, clock, about in [
        (5, "17:00", {"payer": WANJIRU, "payee": OTIENO, "amount": 450_00, "memo": "chama", **weekly}),
        (6, "18:20", {"payer": ALINE, "payee": ERIC, "amount": 2_000, "memo": "guitar lessons", **last_day}),
        (12, "16:30", {"payer": ERIC, "payee": ALINE, "amount": 450_000, "memo": "for the flat", "frequency": "once"}),
        (20, "18:00", {"payer": ERIC, "payee": ALINE, "amount": 500, "memo": "bread", "frequency": "daily", "runs": 5}),
        (22, "09:00", {"payer": OTIENO, "payee": WANJIRU, "amount": 300_00, "memo": "savings", **weekly}),
    ]:
        yield at(day, clock), f"pilot-order-{day:02}", "standing_order", about
    yield at(28, "19:00"), "pilot-order-22-pause", "pause", {"payer": OTIENO, "order": "pilot-order-22"}
    grocers = next(one for one in everybody() if one.country == "KE" and one.account_type == AccountType.SME)
    for who, clock, file_format in ((WANJIRU, "09:00", "pdf"), (grocers, "09:10", "merchant")):
        about = {"who": who, "every": "weekly", "file_format": file_format}
        yield at(6, clock), f"pilot-statements-{file_format}", "statements", about
    for day in range(6, DAYS):
        for clock in ("04:05", "16:10"):
            yield at(day, clock), f"pilot-round-{day:02}-{clock}", "round", {}


def promises() -> Iterator[Planned]:
    """Money set aside for a shop: taken in part, taken and the rest given back, let go of, and still open."""
    shop = next(one for one in everybody() if one.country == "KE" and one.account_type != AccountType.INDIVIDUAL)
    for day, clock, payer, amount, memo, parts, voided in [
        (26, "17:45", OTIENO, 1_500_00, "deposit for the ladder", [(27, "08:10", 1_200_00, True)], False),
        (27, "12:15", FAITH, 300_00, "a dress in blue", [], True),
        (28, "10:40", WANJIRU, 2_400_00, "three crates, packed by Friday", [(29, "11:30", 900_00, False)], False),
        (29, "14:05", OTIENO, 650_00, "a drill for the weekend", [], False),
    ]:
        key = f"pilot-hold-{day:02}-{clock}"
        yield at(day, clock), key, "hold", {"payer": payer, "payee": shop, "amount": amount, "memo": memo}
        for part_day, part_clock, part, final in parts:
            about = {"payer": payer, "payee": shop, "hold": key, "amount": part, "final": final}
            yield at(part_day, part_clock), f"{key}-{part_day:02}", "capture", about
        if voided:
            yield at(day, "18:20"), f"{key}-void", "void", {"payer": payer, "payee": shop, "hold": key}


def exchanges() -> Iterator[Planned]:
    """An exporter and a bookshop keep some of what they earn in dollars, and change some back: our positions."""
    exporter = next(one for one in everybody() if one.account_type == AccountType.EXPORTER)
    books = next(one for one in everybody() if one.country == "RW" and one.account_type == AccountType.ECOMMERCE)
    yield at(18, "07:30"), "pilot-lot-12", "receive", {"payee": exporter, "amount": 260_000_00, "memo": "lot 12"}
    yield at(23, "07:45"), "pilot-readers", "receive", {"payee": books, "amount": 1_900_000, "memo": "card sales"}
    own = {"amount": 2_000_00, "currency": "USD", "reason": "Our own, for the dollars that customers buy."}
    yield at(17, "09:00"), "pilot-own-dollars", "own_money", own
    for day, clock, who, sell, amount, buy in [
        (18, "09:10", exporter, "KES", 120_000_00, "USD"),
        (21, "10:25", exporter, "USD", 340_00, "KES"),
        (23, "11:40", books, "RWF", 900_000, "USD"),
        (26, "08:15", exporter, "KES", 65_000_00, "USD"),
        (28, "13:05", books, "USD", 150_00, "RWF"),
    ]:
        about = {"who": who, "sell": sell, "amount": amount, "buy": buy}
        yield at(day, clock), f"pilot-exchange-{day}", "exchange", about


def story(day: int, clock: str) -> str:
    return f"pilot-story-{day:02}-{clock}"


def last_hours() -> Iterator[Planned]:
    """How long before the demo was started; 905 is an amount to which the sandbox bank gives no answer."""
    hours, minutes, seconds = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
    # more than support gives back alone: it waits for a second person
    plot = {"payer": OTIENO, "original": "pilot-today-plot", "amount": 18_000_00, "reason_code": "wrong_recipient"}
    # more than its recipient has left: finance decides that he owes the rest
    paint = {"payer": OTIENO, "original": "pilot-today-paint", "reason_code": "wrong_recipient"}
    # a business that pays its people in bulk: one payout is paid, one waits for its approver
    around = [one for one in everybody() if one.country == "KE" and one not in CHARACTERS]
    grocers = next(one for one in around if one.account_type == AccountType.SME)
    wages: dict[str, Any] = {
        "payer": grocers, "payees": [one for one in around if one.account_type == AccountType.INDIVIDUAL][:6],
    }  # fmt: skip
    # a pharmacy that asks for money: fixed and paid, partly refunded; open at the till; to be confirmed
    pharmacy = [one for one in around if one.account_type == AccountType.SME][1]
    till: dict[str, Any] = {"payee": pharmacy, "amount": None, "description": "At the till", "max_uses": None}
    order: dict[str, Any] = {"payee": pharmacy, "payer": OTIENO, "amount": 2_400_00, "order_reference": "KP-1042"}
    confirmed = {"payee": pharmacy, "amount": 3_100_00, "order_reference": "KP-1043", "needs_confirmation": True}
    acts: list[tuple[timedelta, str, str, dict[str, Any]]] = [
        (4.6 * hours, "glasses", "asked_and_paid", order | {"description": "Reading glasses"}),
        (4.4 * hours, "till", "asked_and_paid", till | {"payer": OTIENO, "pays": 1_150_00}),
        (
            2.9 * hours,
            "glasses-back",
            "refund",
            {
                "payee": pharmacy,
                "payer": OTIENO,
                "original": "pilot-today-glasses",
                "amount": 400_00,
                "reason": "the case was missing",
            },
        ),
        (0.9 * hours, "cream", "asked_and_paid", confirmed | {"payer": OTIENO, "description": "Cream, made to order"}),
        (0.7 * hours, "vitamins", "ask_for", {"payee": pharmacy, "amount": 850_00, "description": "Vitamins"}),
        (5.8 * hours, "grocers-approver", "approver", {"business": grocers, "approver": OTIENO}),
        (5.7 * hours, "takings", "receive", {"payee": grocers, "amount": 90_000_00, "memo": "takings"}),
        (5.5 * hours, "wages", "payout", wages | {"amount": 4_500_00, "label": "Wages", "approver": OTIENO}),
        (0.4 * hours, "bonuses", "payout", wages | {"amount": 750_00, "label": "Bonuses", "approver": None}),
        (5.1 * hours, "bonus", "receive", {"payee": OTIENO, "amount": 20_000_00, "memo": "bonus"}),
        (4.9 * hours, "plot", "transfer", {"payer": OTIENO, "payee": WANJIRU, "amount": 18_000_00, "memo": "plot 7"}),
        (4.7 * hours, "paint", "transfer", {"payer": OTIENO, "payee": HASSAN, "amount": 900_00, "memo": "paint"}),
        (4.5 * hours, "tickets", "transfer", {"payer": WANJIRU, "payee": OTIENO, "amount": 850_00, "memo": "tickets"}),
        (3.2 * hours, "lunch", "transfer", {"payer": ALINE, "payee": ERIC, "amount": 6_500, "memo": "umuganda lunch"}),
        (2.1 * hours, "change", "transfer", {"payer": OTIENO, "payee": WANJIRU, "amount": 250_00, "memo": "change"}),
        (
            1.9 * hours,
            "tickets-claim",
            "claim",
            {
                "payer": WANJIRU,
                "original": "pilot-today-tickets",
                "reason_code": "wrong_recipient",
                "note": "She meant her brother; knew both amounts of today.",
            },
        ),
        (1.6 * hours, "plot-back", "ask", plot | {"note": "Meant for the seller of the plot; Wanjiru agrees."}),
        (1.3 * hours, "fare", "transfer", {"payer": HASSAN, "payee": WANJIRU, "amount": 1_200_00, "memo": "fare"}),
        (1.1 * hours, "spent", "spend", {"payer": HASSAN, "payee": FAITH, "leave": 300_00}),
        (
            0.9 * hours,
            "paint-back",
            "owe",
            paint | {"note": "One digit wrong; Hassan has spent it."},
        ),
        (
            0.8 * hours,
            "paint-note",
            "note",
            {
                "payer": OTIENO,
                "original": "pilot-today-paint",
                "text": "Hassan called: he thought it was his wages. He pays when they come, on Friday.",
            },
        ),
        (
            0.7 * hours,
            "goodwill",
            "goodwill",
            {
                "payee": WANJIRU,
                "amount": 250_00,
                "reason": "Waited a day for a payment that we had held by mistake.",
            },
        ),
        (0.5 * hours, "revaluation", "revalue", {"reason": "The month is nearly over."}),
        (3 * minutes, "unanswered", "cash_out", {"payer": ERIC, "amount": 9_905, "called_back": False}),
        (40 * seconds, "coming-in", "wait", {"kind": Kind.TOP_UP, "who": ALINE, "amount": 25_000}),
        (30 * seconds, "going-out", "wait", {"kind": Kind.CASH_OUT, "who": OTIENO, "amount": 750_00}),
        (20 * seconds, "salary", "receive", {"payee": WANJIRU, "amount": 15_000_00, "memo": "salary"}),
    ]
    for before, name, what, about in acts:
        yield before, f"pilot-today-{name}", what, about
    yield 10 * seconds, LAST, "receive", {"payee": OTIENO, "amount": 12_000_00, "memo": "salary"}
