"""What comes in at the door: files of every kind, twice, too large, out of every spreadsheet; who may approve."""

import io
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

import core.chunks
from core.roles import connected_as_owner
from customers.services import suspend_customer
from payouts import approvers, running, services
from payouts.models import AloneLimit, Approver, Batch, BatchState, Item
from payouts.reading import File, read_csv, read_json
from payouts.results import FORMULA, inert
from payouts.selectors import page_of_payouts
from reports.tables import BLANKS, STARTS
from tests.books import assert_books_balance, key, posted
from tests.factories import fresh, new_wallet
from tests.payouts.conftest import Person, lines, person
from tests.racing import at_once
from wallets.services import freeze_wallet

PHONE = "+254712345687"


def read(text: str, currency: str = "KES") -> File:
    return read_csv(text.encode(), currency)


@pytest.mark.parametrize(
    "text",
    [
        f"to,amount\n{PHONE},1050.75\n",
        f"\ufeffTo,Amount\r\n{PHONE},1050.75\r\n",
        f"to;amount\n{PHONE};1050,75\n",
        f"sep=;\nto;amount\n{PHONE};1050,75\n",
        f"to\tamount\n'{PHONE}\t1050.75\n\n",
        "phone number,amount,currency\n00254 712 345687,1050.75,kes\n",
        f'email,to,amount\n,"{PHONE}"," 1050.75 "\n',
        f"to,amount,,\r{PHONE},1050.75,,\r",
        f"\r\n \r\nto;amount\r\n{PHONE};1050,75\r\n",
    ],
)
def test_what_spreadsheets_write_is_read(text: str) -> None:
    file = read(text)

    assert file.errors.total == 0, file.errors.told
    assert [(item.to.value, item.amount) for item in file.items] == [(PHONE, 1050_75)]


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        (f"{PHONE};1,050", "amount", "ambiguous_amount"),
        (f"{PHONE};1.050,75", "amount", "ambiguous_amount"),
        (f"{PHONE};1 050", "amount", "ambiguous_amount"),
        (f"{PHONE};10.005", "amount", "amount_too_precise"),
        (f"{PHONE};0", "amount", "amount_not_positive"),
        (f"{PHONE};-5", "amount", "amount_not_positive"),
        (f"{PHONE};", "amount", "required"),
        (f"{PHONE};KES 5", "amount", "ambiguous_amount"),
        (f"{PHONE};5E3", "amount", "invalid_amount"),
        (";5", "to", "required"),
        ("0712345678;5", "to", "invalid_phone"),
        ("2.54713E+11;5", "to", "invalid_phone"),
        ("Aline;5", "to", "invalid_recipient"),
        ("a@b;5", "to", "invalid_email"),
        (f"{PHONE};5;USD", "currency", "currency_mismatch"),
        (f"{PHONE};5;KES;{'x' * 141}", "memo", "max_length"),
        (f"{PHONE};5;KES;a\u202eb", "memo", "unprintable"),
        (f"{PHONE};5;KES;a;b", "", "columns"),
        ("=HYPERLINK(1);5", "to", "invalid_recipient"),
        (f"{PHONE};=2+3", "amount", "invalid_amount"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_field(row: str, field: str, code: str) -> None:
    file = read(f"to;amount;currency;memo\n{PHONE};7\n{row}\n")

    assert [(one.line, one.field, one.code) for one in file.errors.told] == [(3, field, code)]
    assert len(file.items) == 1 and file.lines == 2
    assert PHONE not in file.errors.told[0].message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\n", "no_items"),
        (b"to,amount\n", "no_items"),
        ("to,amount\n".encode("utf-16"), "payout_file_unreadable"),
        ("to,amount,name\n+254712345678,5,René\n".encode("latin-1"), "payout_file_unreadable"),
        (b"to,amount,salary\n+254712345678,5,x\n", "payout_file_unreadable"),
        (b"+254712345678,5\n", "payout_file_unreadable"),
        (b"to,amount,to\n", "payout_file_unreadable"),
        (b'to,amount\n"+254712345678,5\n', "payout_file_unreadable"),
        (b"to,amount\n" + b"x" * 200_000 + b",5\n", "payout_file_unreadable"),
        (b"\n" * 5_000_000, "payout_file_unreadable"),
        (b"ab," * 1_000, "payout_file_unreadable"),
        (b"to,amount\n" + b"+254712345678,5\n" * 10_001, "too_many_items"),
        (b"to,amount\n" + b"x" * (8 * 2**20), "payout_file_too_large"),
    ],
)
def test_what_cannot_be_read_is_refused_as_a_whole(business: Person, content: bytes, code: str) -> None:
    answer = business.send(content)

    assert answer.json()["code"] == code and answer.status_code in (400, 413)
    assert not Batch.objects.exists()


def test_a_body_in_chunks_is_read_to_the_bound_of_its_address_and_not_cut(settings: Any) -> None:
    seen: dict[str, int] = {}

    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        seen[environ["PATH_INFO"]] = int(environ["CONTENT_LENGTH"])
        return []

    settings.LARGE_BODIES = {"/v1/payouts": 200_000}
    for path in ("/v1/payouts", "/v1/transfers"):
        body = io.BytesIO(b"x" * 500_000)
        environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body, "PATH_INFO": path}
        core.chunks.with_length(application)(environ, lambda *args: None)  # type: ignore[arg-type]

    assert seen == {"/v1/payouts": 200_001, "/v1/transfers": core.chunks.MAX_BODY_BYTES + 1}


def test_a_form_with_a_file(business: Person, staff_of: Any) -> None:
    rows = "".join(f"{wallet.customer.phone_number},5\n" for wallet in staff_of(2))
    fields = {
        "from_wallet_id": str(business.wallet.pk), "mode": "all_or_nothing", "again": "true",  # type: ignore[union-attr]
        "file": SimpleUploadedFile("salaries.csv", f"to,amount\n{rows}".encode(), "text/csv"),
    }  # fmt: skip

    answer = Client().post("/v1/payouts", fields, headers=business.headers | {"Idempotency-Key": key()})
    without = Client().post(
        "/v1/payouts", fields | {"file": "to,amount"}, headers=business.headers | {"Idempotency-Key": key()}
    )

    assert answer.status_code == 201, answer.content
    assert answer.json()["mode"] == "all_or_nothing" and answer.json()["summary"]["total"] == "10.00"
    assert Batch.objects.get().again and without.json()["code"] == "payout_file_unreadable"


@pytest.mark.parametrize(
    ("item", "field", "code"),
    [
        ({"amount": "5"}, "to", "required"),
        ({"to": 254712345687, "amount": "5"}, "to", "invalid"),
        ({"to": {}, "amount": "5"}, "to", "invalid"),
        ({"to": {"phone_number": PHONE, "email": "a@example.com"}, "amount": "5"}, "to", "invalid"),
        ({"to": {"iban": "x"}, "amount": "5"}, "to.iban", "unknown_field"),
        ({"to": PHONE, "amount": True}, "amount", "invalid_amount"),
        ({"to": PHONE, "amount": 10**400}, "amount", "invalid_amount"),
        ({"to": PHONE, "amount": {"value": 5}}, "amount", "invalid_amount"),
        ({"to": PHONE, "amount": "5", "name": None}, "name", "invalid"),
        ({"to": PHONE, "amount": "5", "currency": ["KES"]}, "currency", "currency_mismatch"),
        ({"to": PHONE, "amount": "5", "salary": 1}, "salary", "unknown_field"),
        (
            {"to": PHONE, "amount": "5", "+254712345679\u202e": 1},
            "",
            "unknown_field",
        ),  # what is written is not repeated
    ],
)
def test_what_is_wrong_with_an_item_of_json_is_told_with_its_field(item: Any, field: str, code: str) -> None:
    file = read_json([{"to": PHONE, "amount": 1050}, item], "KES")

    assert [(one.line, one.field, one.code) for one in file.errors.told] == [(2, field, code)]
    assert [one.amount for one in file.items] == [1050_00]


def test_what_a_request_may_say_in_two_ways_is_refused(business: Person) -> None:
    headers = business.headers | {"Idempotency-Key": key()}
    query = {"from_wallet_id": str(business.wallet.pk)}  # type: ignore[union-attr]
    one, other = (SimpleUploadedFile(name, b"to,amount\n") for name in ("a.csv", "b.csv"))

    two = Client().post("/v1/payouts", query | {"file": [one, other]}, headers=headers)
    length = Client().post(
        "/v1/payouts", b"to,amount\n", content_type="text/csv", headers=headers, query_params=query,
        CONTENT_LENGTH="1_000",
    )  # fmt: skip

    assert [(answer.status_code, answer.json()["code"]) for answer in (two, length)] == [(400, "malformed_body")] * 2


def test_more_than_can_be_counted_is_refused_as_a_whole(business: Person, staff_of: Any) -> None:
    (payee,) = staff_of(1)
    items = [{"to": str(payee.pk), "amount": "10000000000000.00"}] * 2

    assert business.make(items[:1], key=key()).status_code == 201
    assert business.make(items, key=key()).json()["code"] == "amount_too_large"
    assert business.make(items * 5_000, key=key()).json()["code"] == "amount_too_large"


def test_so_many_lines_are_read_of_one_customer_in_a_day(
    business: Person, staff_of: Any, settings: Any, monkeypatch: Any
) -> None:
    """Each tells whether somebody is a customer; drafts count too."""
    settings.PAYOUT_LINES_PER_DAY = 5
    unknown = [{"to": f"+2547990000{number:02}", "amount": "1"} for number in range(3)]
    first = key()
    made = business.make(unknown, key=first)

    refused = business.make([*lines(staff_of(2)), *unknown[:1]], key=key())

    assert made.json()["status"] == "draft" and refused.status_code == 429
    assert (refused.json()["code"], refused.json()["most"]) == ("payout_lines_used_up", 5)
    assert business.make(unknown, key=first).content == made.content
    assert business.make(lines(staff_of(2)), key=key()).status_code == 201
    assert person(1_00).make(lines(staff_of(2), 1), key=key()).status_code == 201
    monkeypatch.setattr(services.timezone, "now", lambda: now() + timedelta(hours=25))
    assert business.make(lines(staff_of(5)), key=key()).status_code == 201


def test_who_cannot_receive_just_now_is_warned_of_and_stops_nobody(business: Person, staff_of: Any) -> None:
    staff = staff_of(4)
    freeze_wallet(staff[1], mode="both", reason="stolen phone", actor=None)
    suspend_customer(staff[2].customer, actor=None, reason="lost papers")

    made = business.make([*lines(staff[:3]), *lines(staff[:1])], key=key()).json()

    assert made["status"] == "validated"
    assert [(one["line"], one["code"]) for one in made["warnings"]] == [
        (2, "recipient_unavailable"), (3, "recipient_unavailable"), (4, "recipient_twice"), (4, "reference_twice"),
    ]  # fmt: skip


def test_the_payer_is_no_recipient_by_whatever_name(business: Person, staff_of: Any) -> None:
    mine, dollars = business.customer, new_wallet(business.customer, "USD")
    names = [{"phone_number": mine.phone_number}, {"email": mine.email}, {"wallet_id": str(business.wallet.pk)}]  # type: ignore[union-attr]

    made = business.make([{"to": to, "amount": "1"} for to in [*names, {"wallet_id": str(dollars.pk)}]], key=key())

    codes = ["self_transfer"] * 3 + ["currency_mismatch"]
    assert [(one["line"], one["code"]) for one in made.json()["errors"]] == list(enumerate(codes, 1))


def test_the_same_items_are_one_file_in_each_currency_and_in_each_form(business: Person, staff_of: Any) -> None:
    (payee,) = staff_of(1)
    new_wallet(payee.customer, "USD")
    dollars = Person(business.customer, new_wallet(business.customer, "USD"))
    items = [{"to": payee.customer.phone_number, "amount": "5.00"}]
    first = business.make(items, key=key()).json()["payout_id"]

    other = business.send(f"amount;phone_number\n5,00;{payee.customer.phone_number}\n".encode())

    assert (other.json()["code"], other.json()["payout_id"]) == ("payout_exists", first)
    meant = business.make(items, key=key(), again=True).json()["payout_id"]
    business.post(f"/{meant}/cancel")
    assert business.make(items, key=key()).json()["payout_id"] == first  # the one that waits, not the latest
    assert dollars.make(items, key=key()).status_code == 201


def test_one_that_is_almost_the_same_is_warned_of(business: Person, staff_of: Any, monkeypatch: Any) -> None:
    """A memo put right, and the file sent in again under another fingerprint."""
    items = lines(staff_of(2))
    first = business.make(items, key=key(), label="March").json()
    assert first["warnings"] == []
    changed = [item | {"memo": "salary"} for item in items]

    (warned,) = business.make(changed, key=key()).json()["warnings"]

    assert (warned["line"], warned["code"]) == (None, "looks_sent_before") and "(“March”)" in warned["message"]
    assert business.make(lines(staff_of(2), 99_00), key=key()).json()["warnings"] == []
    monkeypatch.setattr("payouts.checking.timezone.now", lambda: now() + timedelta(days=21))
    assert business.make([item | {"memo": "April"} for item in items], key=key()).json()["warnings"] == []


def test_the_list_goes_along_the_index_of_payers(business: Person, approver: Person, staff_of: Any) -> None:
    mine, theirs = approver.make(lines(staff_of(1)), key=key()), business.make(lines(staff_of(1)), key=key())
    business.make([{"to": "nobody", "amount": "1"}], key=key())
    ids = {one: made.json()["payout_id"] for one, made in {"payer": mine, "approver": theirs}.items()}

    for role, expected in {"payer": [ids["payer"]], "approver": [ids["approver"]], "": [*ids.values()][::-1]}.items():
        listed = approver.get("", **({"role": role} if role else {})).json()["data"]
        assert [row["payout_id"] for row in listed] == expected, role
    first = approver.get("", limit=1).json()
    assert [row["payout_id"] for row in first["data"]] == [ids["approver"]]
    rest = approver.get("", limit=1, cursor=first["next"], status="validated").json()
    assert [row["payout_id"] for row in rest["data"]] == [ids["payer"]] and rest["next"] is None
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as captured:
        cursor.execute("SET LOCAL enable_seqscan = off")
        page_of_payouts(approver.customer.pk, limit=50)
        cursor.execute(f"EXPLAIN {captured.captured_queries[-2]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert plan.count("using payout_of_customer") == 2 and "Seq Scan" not in plan, plan


def test_the_same_file_pays_once_unless_it_is_meant(business: Person, staff_of: Any) -> None:
    items = lines(staff_of(3))
    once = key()
    first = business.make(items, key=once)
    payout = first.json()["payout_id"]

    assert business.make(items, key=once).content == first.content
    assert business.make(items[::-1], key=once).json()["code"] == "idempotency_key_reused"
    again = business.make(items[::-1], key=key())  # in another order, too
    assert (again.status_code, again.json()["code"], again.json()["payout_id"]) == (409, "payout_exists", payout)
    meant = business.make(items, key=key(), again=True)
    assert meant.status_code == 201
    business.post(f"/{payout}/cancel")
    assert business.make(items, key=key()).status_code == 201  # the first is cancelled, and what was meant is beside it
    assert business.make(items, key=key()).status_code == 409
    assert Item.objects.count() == 9


def test_who_approves_and_how_much_the_owner_does_alone(business: Person, approver: Person, staff_of: Any) -> None:
    stranger = person(full_name="Somebody Else")
    (row,) = business.get("/approvers").json()["data"]
    assert (row["status"], row["name"], row["role"]) == ("active", "Wanjiru K.", "business")
    assert approver.get("/approvers").json()["data"][0]["name"] == "Kazi Ltd"
    assert business.post("/approvers", {"email": approver.customer.email}).json()["code"] == "approver_exists"
    assert business.post("/approvers", {"email": business.customer.email}).json()["code"] == "approver_is_owner"
    assert business.post("/approvers", {"email": "nobody@example.com"}).json()["code"] == "approver_not_found"
    assert stranger.post("/approvers", {"email": approver.customer.email}).json()["code"] == "not_a_business"
    limit = {"amount": "150.00", "currency": "KES"}
    assert business.post("/alone-limit", limit).json()["code"] == "only_approvers_raise"
    assert stranger.post("/alone-limit", limit | {"approver_id": row["approver_id"]}).status_code == 404

    told = approver.post("/alone-limit", limit | {"approver_id": row["approver_id"]})

    assert told.json()["left"] == "150.00"
    small, more = (business.make(lines(staff_of(1)), key=key()).json()["payout_id"] for _ in range(2))
    assert stranger.post(f"/{small}/approve", key=key()).json()["code"] == "payout_not_found"
    assert business.post(f"/{small}/approve", key=key()).status_code == 200
    refused = business.post(f"/{more}/approve", key=key())
    assert (refused.json()["code"], refused.json()["alone_left"]) == ("second_person_needed", "50.00")
    assert business.post("/alone-limit", {"amount": "0", "currency": "KES"}).status_code == 200
    approver.post(f"/approvers/{row['approver_id']}/end")
    assert approver.post(f"/{more}/approve", key=key()).json()["code"] == "payout_not_found"
    assert approver.post(f"/approvers/{row['approver_id']}/accept").json()["code"] == "approver_closed"


def test_so_many_people_are_asked_and_no_more(business: Person, staff_of: Any, monkeypatch: Any) -> None:
    """Each is told of each payout, and by whom they were asked; ending one makes no room for more such texts."""
    monkeypatch.setattr(approvers, "MOST", 2)
    asked = [business.post("/approvers", {"email": wallet.customer.email}) for wallet in staff_of(3)]
    assert [answer.status_code for answer in asked] == [201, 201, 409]
    assert (asked[2].json()["code"], asked[2].json()["most"]) == ("too_many_approvers", 2)

    business.post(f"/approvers/{asked[0].json()['approver_id']}/end")
    one = {"email": staff_of(1)[0].customer.email}

    assert business.post("/approvers", one).json()["code"] == "too_many_approvers"
    monkeypatch.setattr(approvers.timezone, "now", lambda: now() + timedelta(hours=25))
    assert business.post("/approvers", one).status_code == 201
    assert business.post("/approvers", {"email": staff_of(1)[0].customer.email}).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_and_two_files_at_once_one_does(business: Person, approver: Person, staff_of: Any) -> None:
    items = lines(staff_of(3), 1_00)
    made = at_once([partial(business.make, items, key=key()) for _ in range(4)])
    assert sorted(answer.status_code for answer in made) == [201, 409, 409, 409]
    payout = next(answer.json()["payout_id"] for answer in made if answer.status_code == 201)

    answers = at_once([partial(approver.post, f"/{payout}/approve", key=key()) for _ in range(4)])
    ran = at_once([running.run_due for _ in range(3)])

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert sum(ran) == 1
    assert fresh(Batch(pk=payout)).state == BatchState.COMPLETED
    assert posted(business.wallet) == 10_000_000 - 3_00  # type: ignore[arg-type]
    assert_books_balance()


EVENT = (
    "INSERT INTO payouts_batchevent (id, batch_id, from_state, to_state, actor, note, facts, request_id, at)"
    " VALUES (gen_random_uuid(), %(id)s, 'validated', 'approved', 'x', '', '{}', '', now());"
)
APPROVE = (
    "UPDATE payouts_batch SET state = 'approved', approved_at = now(), due_at = now(), approved_by_id = %(by)s"
    " WHERE id = %(id)s"
)
ATTACKS = [
    "DELETE FROM payouts_batch",
    "DELETE FROM payouts_item",
    "UPDATE payouts_batch SET total = total + 1 WHERE id = %(id)s",
    "UPDATE payouts_batch SET made_by_id = %(by)s WHERE id = %(id)s",
    "UPDATE payouts_batch SET posted = 1 WHERE id = %(id)s; UPDATE payouts_batch SET posted = 0 WHERE id = %(id)s",
    "UPDATE payouts_item SET amount = amount + 1",
    "UPDATE payouts_item SET wallet_id = gen_random_uuid()",
    "UPDATE payouts_item SET state = 'paid', tries = 1,"
    " transaction_id = (SELECT id FROM transactions_transaction LIMIT 1)",
    "UPDATE payouts_item SET state = 'refused', refusal_code = 'x', tries = 2",
    "INSERT INTO payouts_item SELECT (jsonb_populate_record(i, '{\"id\": 999999, \"line\": 99, \"tries\": 1}')).*"
    " FROM payouts_item i LIMIT 1",
    "UPDATE payouts_answer SET body = ''",
    "UPDATE payouts_approver SET business_id = approver_id",
    "INSERT INTO payouts_alonelimit SELECT gen_random_uuid(), 'KES', 5, now(), customer_id, customer_id"
    " FROM payouts_batch",
    APPROVE,  # without its event
    EVENT + APPROVE.replace("%(by)s", "made_by_id"),  # maker and checker
    EVENT + APPROVE.replace("%(by)s", "%(stranger)s"),
    "INSERT INTO payouts_batchevent SELECT * FROM payouts_batchevent; UPDATE payouts_batch SET state = 'posting'",
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_database_holds_maker_and_checker_apart_and_items_as_they_are(
    business: Person, approver: Person, staff_of: Any
) -> None:
    payout = business.make(lines(staff_of(2)), key=key()).json()["payout_id"]
    stranger = person().customer.pk
    ids = {"id": payout, "by": str(approver.customer.pk), "stranger": str(stranger)}
    with connected_as_owner(), connection.cursor() as cursor:
        for attack in ATTACKS:
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute(attack, ids)
        cursor.execute(EVENT + APPROVE, ids)  # what is right goes through
    assert fresh(Batch(pk=payout)).state == BatchState.APPROVED
    assert AloneLimit.objects.count() == 0 and Approver.objects.count() == 1
    assert running.run_due() == 1
    assert_books_balance()


def test_a_guard_that_is_missing_would_be_noticed(business: Person, staff_of: Any, monkeypatch: Any) -> None:
    """The service asks too: without it the database still refuses the owner."""
    payout = business.make(lines(staff_of(1)), key=key()).json()["payout_id"]
    monkeypatch.setattr(services, "_refuse_alone", lambda batch, at: None)

    with pytest.raises(DatabaseError, match="approved by who made it"), transaction.atomic():
        business.post(f"/{payout}/approve", key=key())


def test_the_database_adds_up_what_the_owner_approved_alone(
    business: Person, approver: Person, staff_of: Any, monkeypatch: Any
) -> None:
    (row,) = business.get("/approvers").json()["data"]
    approver.post("/alone-limit", {"amount": "250.00", "currency": "KES", "approver_id": row["approver_id"]})
    payouts = [business.make(lines(staff_of(1)), key=key()).json()["payout_id"] for _ in range(3)]
    monkeypatch.setattr(services, "_refuse_alone", lambda batch, at: None)
    assert [business.post(f"/{one}/approve", key=key()).status_code for one in payouts[:2]] == [200, 200]

    with pytest.raises(DatabaseError, match="approved by who made it"), transaction.atomic():
        business.post(f"/{payouts[2]}/approve", key=key())

    monkeypatch.setattr(services.timezone, "now", lambda: now() + timedelta(hours=25))
    assert business.post(f"/{payouts[2]}/approve", key=key()).status_code == 200


@pytest.mark.parametrize("figure", ["posted", "posted_amount"])
def test_the_database_keeps_a_payout_that_is_over_to_what_its_items_say(
    staff_of: Any, monkeypatch: Any, figure: str
) -> None:
    owner = person(1_000_00)
    payout = owner.make(lines(staff_of(2), 1_00), key=key()).json()["payout_id"]
    owner.post(f"/{payout}/approve", key=key())
    real = running._keep

    def short(batch: Batch) -> None:
        setattr(batch, figure, getattr(batch, figure) - 1)
        real(batch)

    monkeypatch.setattr(running, "_keep", short)
    assert running.run_due() == 1

    batch = fresh(Batch(pk=payout))
    assert (batch.state, batch.attempts) == ("posting", 0)  # and given up after three times, for a person to look at
    with pytest.raises(DatabaseError, match="not those of its items"), transaction.atomic():
        running._pay_chunk(batch.pk, batch.runs)


def test_nothing_in_a_result_is_a_formula_by_the_rules_of_exports() -> None:
    for char in STARTS.replace("\\", ""):
        assert inert(f"{char}1") == f"'{char}1" and inert(f" '{char}1").startswith("'")
    assert inert("salary of March") == "salary of March"
    assert all(part in FORMULA.pattern for part in (BLANKS.replace("\\s\\", "\\s")[2:20], "=+@"))
