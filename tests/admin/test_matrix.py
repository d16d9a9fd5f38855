"""G43: role × page × action. What each role may open is written down here by hand, not read from `staff/roles.py`; the
pages come from the site itself, so that one without a row fails, and so does a row without a page."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from staff.models import User
from staff.roles import PERMISSIONS, Role
from tests.admin.conftest import World, client_of
from tests.admin.test_roles import rows
from tests.factories import signed_in

LETTERS = dict(zip("SNCFKOAD", Role, strict=True))  # support, senior support, compliance, finance, checker ...
MATRIX = {
    "SNCFKOAD": """
        payouts_batch_changelist payouts_batch_change payouts_items payouts_item_changelist payouts_item_change
        second_factor enrol staff_prove staff_security staff_roles transactions_answers search index login logout
        password_change password_change_done jsi18n staff_session_end staff_session_changelist staff_session_change
        staff_work
        staff_approval_changelist staff_approval_change core_auditrecord_changelist core_auditrecord_change
        notes_note_changelist notes_note_change customers_customer_changelist customers_customer_change
        customers_country_changelist customers_country_change customers_tierlimit_changelist
        customers_tierlimit_change notifications_notification_changelist notifications_notification_change
        wallets_wallet_changelist wallets_wallet_change wallets_freeze_changelist wallets_freeze_change
        transactions_railmessage_changelist transactions_railmessage_change transactions_transaction_changelist
        transactions_transaction_change transactions_feerule_changelist transactions_feerule_change
        transactions_feewaiver_changelist transactions_feewaiver_change
        transactions_reversalreason_changelist transactions_reversalreason_change recalls_recall_changelist
        payments_paymentrequest_changelist payments_paymentrequest_change payments_requestuse_changelist
        payments_requestuse_change
        recalls_recall_change recalls_recallreason_changelist recalls_recallreason_change evidence_block_changelist
        evidence_block_change notes_file statements_statement_changelist statements_statement_change
        transactions_unknownoutcome_changelist
        transactions_unknownoutcome_change
        customers_stafflink_changelist customers_stafflink_change customers_stafflink_declare
        transactions_receivable_changelist transactions_receivable_change
        fx_positions transactions_revaluation_changelist transactions_revaluation_change
        fx_rates fx_pair fx_cost fx_rate_changelist fx_rate_change fx_ratesource_changelist fx_ratesource_change
        fx_rateload_changelist fx_rateload_change fx_provider_changelist fx_provider_change
        fx_providerterms_changelist fx_providerterms_change fx_margin_changelist fx_margin_change
        fx_exposurecap_changelist fx_exposurecap_change
        fx_routingdecision_changelist fx_routingdecision_change fx_quote_changelist fx_quote_change
        schedules_standingorder_changelist schedules_standingorder_change schedules_orderrun_changelist
        schedules_orderrun_change schedules_holiday_changelist schedules_holiday_change
    """,
    "FOD": """
        fx_rateload_upload fx_provider_switch_off fx_provider_switch_on schedules_holiday_propose
    """,
    "FKAD": """
        reports_trial_balance reports_accounts reports_ledger reports_balance reports_fee_income
        reports_books_now ledger_account_changelist ledger_account_change
        ledger_journal_changelist ledger_journal_change ledger_periodclose_changelist ledger_periodclose_change
        reports_summedday_changelist reports_summedday_change reports_entryline_changelist reports_entryline_change
        reports_holdline_changelist reports_holdline_change reports_export_changelist reports_export_change
        reports_issuedpaper_changelist reports_issuedpaper_change reports_dailyproof_changelist
        reports_dailyproof_change reports_savedexport_changelist reports_savedexport_change
        transactions_pricetrial_changelist transactions_pricetrial_change transactions_pricetrial_progress
    """,
    "NCKD": """
        staff_approval_approve staff_approval_reject staff_approval_take staff_approval_assign
    """,
    "SNCFKOD": """
        staff_approval_withdraw staff_my_requests
        payouts_batch_add_note notes_note_withdraw customers_customer_add_note wallets_wallet_add_note
        transactions_transaction_add_note recalls_recall_add_note schedules_standingorder_add_note statements_make
        statements_file statements_kept_file
    """,
    "D": """
        staff_user_create staff_user_set_role staff_user_send_password_link staff_user_reset_factor
        staff_user_lift_lockout staff_user_deactivate staff_user_reactivate staff_user_set_email
    """,
    "CD": """
        customers_stafflink_record customers_stafflink_end
    """,
    "AD": """
        staff_user_changelist staff_user_change
    """,
    "SNCD": """
        payments_paymentrequest_cancel
        customers_customer_suspend customers_customer_reactivate wallets_wallet_freeze wallets_wallet_lift
        wallets_wallet_close wallets_freeze_lift_this viewings_viewing_start viewings_viewing_end viewings_home
        viewings_history viewings_transaction viewings_notifications viewings_recalls viewings_accesses
        viewings_statements viewings_kept viewings_takings viewings_requests viewings_request viewings_orders
        viewings_order viewings_holds viewings_hold viewings_payouts viewings_payout viewings_prices viewings_quote
        wallets_freeze_extend wallets_freeze_take wallets_freeze_hand_over
    """,
    "SNFD": """
        transactions_transaction_waive_fee transactions_feewaiver_grant
    """,
    "FD": """
        customers_tierlimit_propose customers_tierlimit_propose_next ledger_periodclose_close_period
        fx_provider_enter fx_provider_propose fx_providerterms_propose_next fx_margin_propose fx_margin_propose_next
        fx_ratesource_propose fx_ratesource_propose_next fx_exposurecap_propose fx_exposurecap_propose_next
        transactions_feerule_propose transactions_feerule_propose_next transactions_reversalreason_propose
        transactions_reversalreason_propose_next transactions_revaluation_revalue
    """,
    "SNOD": """
        transactions_railmessage_close transactions_transaction_release transactions_railmessage_take
        transactions_railmessage_hand_over transactions_transaction_take transactions_transaction_hand_over
        schedules_standingorder_pause schedules_standingorder_resume
    """,
    "F": """
        transactions_transaction_adjust transactions_receivable_collect transactions_receivable_write_off
    """,
    "SND": """
        transactions_transaction_void
        transactions_transaction_reverse recalls_recall_open recalls_recall_consent recalls_recall_refuse
        recalls_recall_withdraw recalls_recall_take recalls_recall_hand_over
    """,
    "OAD": """
        core_failedjob_changelist core_failedjob_change
    """,
    "OD": """
        core_failedjob_retry core_failedjob_close core_failedjob_retry_many core_failedjob_take
        core_failedjob_hand_over payouts_batch_stop
        transactions_transaction_call_off
    """,
    "FAD": """
        reports_export_progress
    """,
    "FKD": """
        reports_trial_balance_pdf reports_ledger_pdf reports_proof_pdf
        reports_trial_balance_file reports_fee_income_file reports_export_download reports_export_again
        reports_dailyproof_sign_off
        transactions_pricetrial_try_price transactions_pricetrial_try_another transactions_pricetrial_file
        reports_savedexport_run
        reports_savedexport_plan reports_savedexport_share reports_savedexport_end reports_export_new
    """,
    "SNCOAD": """
        customers_customer_reveal
    """,
    "CAD": """
        customers_reveal_changelist customers_reveal_change viewings_viewing_changelist viewings_viewing_change
    """,
    "FKOAD": """
        evidence_check_changelist evidence_check_change
    """,
}  # fmt: skip
# Doors before one is signed in: they look at no role.
DOORS = {"login", "second_factor", "enrol", "new_password"}
OTHERWISE = {"app_list", None}  # leads to the dashboard; the end of all addresses that are none


def expected() -> dict[str, set[Role]]:
    return {name: {LETTERS[one] for one in letters} for letters, names in MATRIX.items() for name in names.split()}


def patterns(found: list[Any], route: str = "") -> Iterator[tuple[str, str]]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns, route + str(one.pattern))
        elif isinstance(one, URLPattern) and one.name not in OTHERWISE:
            yield str(one.name), route + str(one.pattern)


@cache
def pages() -> dict[str, str]:
    """Every address of the back office by name, with its route."""
    return dict(patterns(admin.site.urls[0]))


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    assert set(pages()) - set(expected()) - DOORS == set(), "say in MATRIX who may open these"
    assert set(expected()) - set(pages()) == set()


@pytest.fixture
def addresses(world: World, staff: dict[str, User]) -> dict[str, str]:
    """Each page of MATRIX, about something that is there."""
    client_of(staff[Role.SUPPORT])  # a session
    first = {f"{m._meta.app_label}_{m._meta.model_name}_": m._base_manager.first() for m in admin.site._registry}
    found = {}
    for name, route in pages().items():
        kwargs: dict[str, Any] = {}
        if "object_id>" in route:
            kwargs["object_id"] = next(row.pk for prefix, row in first.items() if name.startswith(prefix))
        if "export_id>" in route:
            kwargs["export_id"] = first["reports_export_"].pk
        if "slug:pair>" in route:
            kwargs["pair"] = "KES-USD"
        if "slug:name>" in route:
            kwargs["name"] = "transactions"
        if "wallet_id>" in route:
            kwargs["wallet_id"] = world.wallet.pk
        if "statement_id>" in route:
            kwargs["statement_id"] = first["statements_statement_"].pk
        if "viewing_id>" in route:
            kwargs["viewing_id"] = first["viewings_viewing_"].pk
        if "transaction_id>" in route:
            kwargs["transaction_id"] = world.sent.pk
        if "proof_id>" in route:
            kwargs["proof_id"] = first["reports_dailyproof_"].pk
        if "uidb64>" in route:
            kwargs |= {"uidb64": "MQ", "token": "x"}
        if "payout_id>" in route:
            kwargs["payout_id"] = first["payouts_batch_"].pk
        if "int:number>" in route:
            kwargs["number"] = 1
        if "trial_id>" in route:
            kwargs["trial_id"] = first["transactions_pricetrial_"].pk
        if "hold_id>" in route:
            kwargs["hold_id"] = world.sent.pk
        if "quote_id>" in route:
            kwargs["quote_id"] = first["fx_quote_"].pk
        if "order_id>" in route:
            kwargs["order_id"] = first["schedules_standingorder_"].pk
        if "code_said>" in route:
            kwargs["code_said"] = "7F3K-9QX2-ABMT"
        if "note_id>" in route:
            kwargs["note_id"] = first["notes_note_"].pk
        found[name] = reverse(f"admin:{name}", kwargs=kwargs)
    return found


@pytest.mark.parametrize("role", Role.values)
def test_each_role_opens_what_its_row_says_and_nothing_else(
    staff: dict[str, User], addresses: dict[str, str], role: str
) -> None:
    """Asking only shows, and an empty POST does nothing: 403 for whom it is not, anything else for whom it is."""
    client, wrong = client_of(staff[role]), []
    before = rows_but_looks()
    for name, roles in expected().items():
        if name in ("logout", "password_change"):
            continue
        shown = client.get(addresses[name]).status_code
        posted = client.post(addresses[name], {}).status_code
        if (shown == 403) == (role in roles) or shown >= 500:
            wrong.append((name, "GET", shown))
        if posted >= 500 or (role in roles and posted == 403) or (role not in roles and posted not in (403, 405)):
            wrong.append((name, "POST", posted))

    assert wrong == []
    assert rows_but_looks() == before


def rows_but_looks() -> dict[str, Any]:
    """What there is, without what looking leaves: the trail, sessions, numbered papers."""
    return {
        label: found
        for label, found in rows().items()
        if label not in ("core.AuditRecord", "staff.Session", "reports.IssuedPaper")
    }


def test_nobody_else_opens_anything(world: World, addresses: dict[str, str]) -> None:
    """Strangers, customers with their token, and a member of staff whose access has ended."""
    ended = client_of(User.objects.get(username="administrator"))
    User.objects.update(is_active=False)
    for name, url in addresses.items():
        for client, headers in ((Client(), {}), (Client(), signed_in(world.john)), (ended, {})):
            for answer in (client.get(url, headers=headers), client.post(url, {}, headers=headers)):
                if name in DOORS | {"jsi18n"}:
                    continue
                assert answer.status_code == 302, (name, answer.status_code)


def test_a_single_right_opens_its_own_pages_alone(
    staff: dict[str, User], addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each permission alone: none is a way to another's pages, and none at all opens no row of anybody."""
    user = staff[Role.OPERATIONS]
    client = client_of(user)
    closed = {name for name, roles in expected().items() if roles != set(Role)}
    opened: dict[str, set[str]] = {}
    for permission in ("", "staff.view_approval", "reports.export", "staff.approve", "wallets.freeze", "staff.manage"):
        monkeypatch.setitem(PERMISSIONS, Role.OPERATIONS, frozenset({permission}))
        opened[permission] = {name for name in closed if client.get(addresses[name]).status_code != 403}

    assert opened[""] == opened["staff.view_approval"] == set()
    assert opened["staff.approve"] <= {name for name in closed if name.startswith("staff_approval_")}
    assert opened["wallets.freeze"] <= {name for name in closed if name.startswith("wallets_")}
    assert opened["staff.manage"] <= {name for name in closed if name.startswith("staff_user_")}
    assert opened["reports.export"] <= {name for name in closed if name.startswith("reports_")}
