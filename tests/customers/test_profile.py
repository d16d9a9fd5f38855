import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import AuditRecord
from customers.models import Customer, RefreshToken, Session
from tests.customers.conftest import counted_hashes, sign_in
from tests.factories import PASSWORD, fresh


def test_a_customer_reads_their_own_profile(as_mary, mary):
    answer = as_mary("get", "me")

    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("created_at").endswith("Z")
    assert body == {
        "customer_id": str(mary.id),
        "full_name": "Mary Wanjiku",
        "email": "mary@example.com",
        "phone_number": "+254712345678",
        "country": "KE",
        "account_type": "individual",
        "tier": 0,
        "status": "active",
    }


def test_name_and_account_type_change_freely_and_are_recorded(as_mary, mary):
    answer = as_mary("patch", "me", {"full_name": " Mary W. Kamau ", "account_type": "sme"})

    assert answer.status_code == 200
    mary = fresh(mary)
    assert (mary.full_name, mary.account_type) == (answer.json()["full_name"], "sme") == ("Mary W. Kamau", "sme")
    record = AuditRecord.objects.get(action="update_profile")
    assert record.actor == mary.principal
    assert record.before == {"full_name": "Mary Wanjiku", "account_type": "individual"}
    assert record.after == {"full_name": "Mary W. Kamau", "account_type": "sme"}


def test_a_business_does_not_become_a_personal_account_and_so_approve_alone(as_mary, mary):
    """What takes two people for a business would take one."""
    assert as_mary("patch", "me", {"account_type": "sme"}).status_code == 200
    for one_person in ("individual", "freelancer"):
        refused = as_mary("patch", "me", {"full_name": "Mary", "account_type": one_person})
        assert (refused.status_code, refused.json()["code"]) == (403, "business_stays_one")
    assert as_mary("patch", "me", {"account_type": "ngo"}).status_code == 200

    assert (fresh(mary).account_type, fresh(mary).full_name) == ("ngo", "Mary Wanjiku")


@pytest.mark.parametrize("change", [{"email": "new@example.com"}, {"phone_number": "+254733333333"}])
def test_number_and_address_change_only_with_the_password(as_mary, mary, change):
    without = as_mary("patch", "me", change)
    wrong = as_mary("patch", "me", change | {"current_password": "wrong password"})
    right = as_mary("patch", "me", change | {"current_password": PASSWORD})

    assert (without.status_code, without.json()["code"]) == (403, "password_needed")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert right.status_code == 200
    mary = fresh(mary)
    assert {name: getattr(mary, name) for name in change} == change
    assert AuditRecord.objects.filter(action="update_profile").count() == 1


def test_an_unchanged_address_needs_no_password_and_leaves_no_trace(as_mary):
    assert as_mary("patch", "me", {"email": "MARY@example.com"}).status_code == 200
    assert as_mary("patch", "me", {}).status_code == 200
    assert not AuditRecord.objects.filter(action="update_profile").exists()


def test_a_taken_number_is_refused_and_counts_as_a_wrong_guess(as_mary, mary, john):
    def attempt():
        return as_mary("patch", "me", {"phone_number": john.phone_number, "current_password": PASSWORD})

    answers = [attempt() for _ in range(6)]

    assert [a.status_code for a in answers] == [409] * 5 + [429]
    assert answers[0].json()["code"] == "already_registered"
    mary = fresh(mary)
    assert mary.phone_number == "+254712345678"


@pytest.mark.parametrize(
    "field", ["tier", "state", "status", "country", "password", "role", "is_staff", "id", "customer_id", "created_at",
              "updated_at", "is_authenticated", "sessions"],
)  # fmt: skip
def test_nothing_else_is_writable(as_mary, mary, field):
    before = Customer.objects.filter(pk=mary.pk).values().get()

    answer = as_mary("patch", "me", {field: "2", "full_name": "Another Name"})

    assert answer.status_code == 400
    known = "Unknown field. Known here: full_name, account_type, email, phone_number, current_password."
    assert answer.json()["errors"] == [{"field": field, "code": "unknown_field", "message": known}]
    assert Customer.objects.filter(pk=mary.pk).values().get() == before


@pytest.mark.parametrize("name", ["", " ", "M", "M\r\nX", "x" * 121, 5, None, "M\u202eary"])
def test_a_name_is_printable_text(as_mary, name):
    answer = as_mary("patch", "me", {"full_name": name})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "full_name")


def test_a_new_password_ends_the_other_sessions(as_mary, api):
    elsewhere = sign_in("mary@example.com")

    answer = as_mary("post", "me/password", {"current_password": PASSWORD, "new_password": "another long sentence"})

    assert answer.status_code == 204
    assert as_mary("get", "me").status_code == 200
    assert elsewhere("get", "me").status_code == 401
    assert api.login("mary@example.com").status_code == 401
    assert api.login("mary@example.com", "another long sentence").status_code == 200
    record = AuditRecord.objects.get(action="change_password")
    assert (record.before, record.after) == (None, None)


def test_a_new_password_needs_the_old_one_and_must_be_good(as_mary):
    wrong = as_mary("post", "me/password", {"current_password": "x", "new_password": "another long sentence"})
    weak = as_mary("post", "me/password", {"current_password": PASSWORD, "new_password": "tekana2026"})

    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert (weak.status_code, weak.json()["code"], weak.json()["reason"]) == (400, "weak_password", "too_common")


def test_a_thief_with_an_open_session_does_not_get_to_guess_the_password(as_mary, monkeypatch):
    with counted_hashes(monkeypatch) as hashes:
        codes = [
            as_mary("post", "me/password", {"current_password": f"guess {n}", "new_password": "x" * 20}).status_code
            for n in range(7)
        ]

    assert codes == [403] * 5 + [429] * 2
    assert hashes == ["verify"] * 5


def test_reading_changes_nothing_and_costs_two_queries_at_most(as_mary):
    for path in ("me", "me/limits", "me/sessions"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert as_mary("get", path).status_code == 200
        statements = [query["sql"] for query in queries]
        assert len(statements) <= (3 if path == "me/limits" else 2)
        assert all(statement.startswith("SELECT") for statement in statements)


def test_no_answer_carries_a_hash_or_another_ones_token(as_mary, api, mary, john):
    sign_in("john@example.com")
    answers = [
        api.login("mary@example.com"),
        api.login("mary@example.com", "wrong password"),
        as_mary("get", "me"),
        as_mary("patch", "me", {"full_name": "Mary Kamau"}),
        as_mary("patch", "me", {"password": "x"}),
        as_mary("get", "me/sessions"),
        as_mary("get", "me/limits"),
        as_mary("post", "auth/logout", {}),
    ]
    digests = [bytes(row.digest).hex() for row in RefreshToken.objects.all()]
    for answer in answers:
        text = answer.content.decode()
        assert "argon2" not in text
        assert mary.password.rsplit("$", 1)[-1] not in text
        assert "john" not in text.lower()
        assert not any(digest in text for digest in digests)
    assert Session.objects.count() == 3
