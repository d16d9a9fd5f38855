"""A payout over HTTP, from a file with mistakes to everybody being paid."""

import csv
import io
from typing import Any

from notifications.models import Notification
from payouts import running
from payouts.models import Item
from tests.books import assert_books_balance, key, posted
from tests.payouts.conftest import FUNDS, Person
from transactions.models import Transaction
from transactions.services.relay import relay_events


def csv_of(rows: list[tuple[str, ...]]) -> bytes:
    return "\r\n".join(";".join(row) for row in [("To", "Amount", "Name", "Memo", "Reference"), *rows]).encode()


def test_a_file_is_put_right_approved_by_a_second_person_and_paid(
    business: Person, approver: Person, staff_of: Any
) -> None:
    staff = staff_of(5)
    good = [(w.customer.phone_number, "1250,50", w.customer.full_name, "=salary()", "E-7") for w in staff]
    bad = [*good]
    bad[1] = ("+2547", "1250,50", "x", "", "")
    bad[2] = (staff[2].customer.phone_number, "1,250.50", "x", "", "")
    bad[4] = ("nobody@example.com", "10", "x", "", "")

    draft = business.send(b"\xef\xbb\xbf" + csv_of(bad), label="March")

    assert draft.status_code == 201, draft.content
    told = draft.json()
    assert told["status"] == "draft" and told["summary"]["errors"] == 3 and told["summary"]["items"] == 5
    assert [(one["line"], one["field"], one["code"]) for one in told["errors"]] == [
        (3, "to", "invalid_phone"), (4, "amount", "ambiguous_amount"), (6, "to", "recipient_not_found"),
    ]  # fmt: skip
    assert not Item.objects.exists()
    assert business.post(f"/{told['payout_id']}/approve", key=key()).json()["code"] == "payout_not_open"

    made = business.send(csv_of(good), label="March").json()

    assert made["status"] == "validated" and made["needs_second_person"]
    assert made["summary"] == {
        "items": 5, "total": "6252.50", "fees": "0.00", "leaves": "93747.50", "errors": 0, "warnings": 4,
    }  # fmt: skip
    assert {one["code"] for one in made["warnings"]} == {"reference_twice"}
    payout = f"/{made['payout_id']}"
    waiting = Notification.objects.get(customer=approver.customer, kind="payout_waiting")
    assert "Kazi Ltd" in waiting.body and "KES 6,252.50" in waiting.title

    alone = business.post(f"{payout}/approve", key=key())
    assert alone.status_code == 403 and alone.json()["code"] == "second_person_needed"
    seen = approver.get(f"{payout}/items", limit=2).json()
    assert [row["recipient"] for row in seen["data"]] == ["Mary 1.", "Mary 2."] or len(seen["data"]) == 2
    assert seen["next"] and approver.get(f"{payout}/items", limit=2, cursor=seen["next"]).json()["data"][0]["line"] == 4

    once = key()
    approved = approver.post(f"{payout}/approve", key=once)
    again = approver.post(f"{payout}/approve", key=once)

    assert approved.status_code == 200 and approved.json()["status"] == "approved"
    assert again.content == approved.content and again["Idempotency-Replayed"] == "true"
    assert running.run_due() == 1
    done = business.get(payout).json()
    assert done["status"] == "completed"
    assert done["progress"] == {"paid": 5, "refused": 0, "left": 0, "amount": "6252.50", "fees": "0.00"}
    assert posted(business.wallet) == FUNDS - 625_250 and all(posted(w) == 125_050 for w in staff)
    result = business.get(f"{payout}/results")
    rows = list(csv.DictReader(io.StringIO(result.content.decode("utf-8-sig"))))
    assert [row["status"] for row in rows] == ["paid"] * 5
    assert rows[0]["memo"] == "'=salary()" and rows[0]["to"] == f"'{staff[0].customer.phone_number}"
    paid = Transaction.objects.get(pk=rows[0]["transaction_id"])
    assert (paid.kind, paid.receipt, paid.amount) == ("payout", rows[0]["receipt"], 125_050)
    relay_events()
    assert Notification.objects.filter(kind="payout_received").count() == 5
    assert Notification.objects.get(customer=business.customer, kind="payout_done").title == "Your payout: 5 of 5 paid"
    assert_books_balance()
