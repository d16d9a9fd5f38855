"""G56: every act of staff leaves a row: who, in which role, from where, in which request, why, and what changed.

ACTS has a row for each dialog and for each place that acts, by the name of its address; the names come from the site's
registry, so that a new one without a row fails. Signing in, failing to, being locked out, signing out, downloads and
what one does to one's own keys are below.
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core import failures
from core.admin.places import places
from core.ids import uuid7
from core.models import AuditRecord, FailedJob
from customers.links import declare_link
from customers.models import TierLimit
from fx.models import ExposureCap, Margin, Provider, ProviderTerms, RateSource
from fx.services import switch_provider
from ledger import chart
from ledger.services import keep_proof
from notes.models import Note
from payments.models import PaymentRequest
from payouts.models import Batch
from recalls.services import open_recall
from reports.models import DailyProof, Export, SavedExport
from schedules.models import StandingOrder
from schedules.services import pause_order
from staff import services
from staff.approvals import approve, request_approval
from staff.models import Session, User
from staff.roles import Role
from statements.models import Statement
from tests.admin.conftest import PASSWORD, World, client_of, code_of, sign_in
from tests.admin.test_adjust_dialog import place
from tests.admin.test_reverse_dialog import previewed
from tests.books import fund, posted, transfer
from tests.factories import new_wallet
from tests.reports.conftest import export as exported
from tests.transactions.test_conversions import conversion, quoted
from transactions import tariff
from transactions.models import FeeRule, PriceTrial, Receivable, ReversalReason, Transaction
from transactions.posting import post_one
from transactions.services import revaluations
from viewings.models import Viewing
from wallets.services import freeze_wallet

WHY = "because of ticket 4711"
REQUEST = "request-of-this-act"
S, N, C, F, K, OPS, D = (
    Role.SUPPORT, Role.SENIOR_SUPPORT, Role.COMPLIANCE, Role.FINANCE, Role.FINANCE_CHECKER, Role.OPERATIONS,
    Role.ADMINISTRATOR,
)  # fmt: skip


class Scene(NamedTuple):
    world: World
    staff: dict[str, User]
    client: Client  # of who acts
    patch: pytest.MonkeyPatch


class Act(NamedTuple):
    """``set_up`` makes what it is done to: the arguments of the address, and what is typed. ``actions``: what the trail
    calls it, of which the first says what was and what is. ``why``: it asks for a reason, and keeps what was typed."""

    by: str
    actions: str
    set_up: Callable[[Scene], tuple[list[Any], dict[str, Any]]]
    why: bool = True


def on(pick: Callable[[Scene], Any], **form: Any) -> Callable[[Scene], tuple[list[Any], dict[str, Any]]]:
    return lambda scene: ([pick(scene).pk], form)


def new(**form: Any) -> Callable[[Scene], tuple[list[Any], dict[str, Any]]]:
    return lambda scene: ([], form)


def grace(scene: Scene) -> User:
    return scene.staff[Role.SUPPORT]


def enrolled(scene: Scene) -> User:
    code_of("support")
    return grace(scene)


def locked_out(scene: Scene) -> User:
    for _ in range(5):
        Client().post("/admin/login/", {"username": "support", "password": "wrong"})
    return grace(scene)


def gone(scene: Scene) -> User:
    services.deactivate(grace(scene), reason="left", actor=None)
    return grace(scene)


def session(scene: Scene) -> Session:
    client_of(grace(scene))
    return Session.objects.get(user=grace(scene))


def recall(scene: Scene) -> Any:
    claim = {"amount": 50_00, "reason_code": "duplicate", "note": "twice"}
    return open_recall(scene.world.undone.pk, actor=scene.staff[Role.SUPPORT], **claim)


def link(scene: Scene) -> Any:
    return declare_link(grace(scene), scene.world.wanjiku, relation="household", note="x", actor=grace(scene))


def viewing(scene: Scene) -> Viewing:
    form = {"customer": "0712 345 678", "why": "asked", "note": WHY}
    scene.client.post(reverse("admin:viewings_viewing_start"), form)
    return Viewing.objects.get(agent=grace(scene), end=None)


def suspended(scene: Scene) -> Any:
    scene.client.post(reverse("admin:customers_customer_suspend", args=[scene.world.john.pk]), {"reason": "x"})
    return scene.world.john


def given_up(scene: Scene) -> Transaction:
    one = scene.world.through_a_rail("top_up", 50_00)
    Transaction.objects.filter(pk=one.pk).update(quarantined_at=now())
    return one


def fee(scene: Scene) -> FeeRule:
    return FeeRule.objects.create(kind="transfer", currency="KES", flat=5_00, bps=125, effective_from=tomorrow())


def granted(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    asked = {"customer": str(scene.world.john.pk), "part": "100", "kind": "", "currency": ""}
    return [], asked | {"effective_from": str(today()), "last_day": str(tomorrow())}


def waived(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    FeeRule.objects.create(kind="transfer", currency="KES", flat=5_00, bps=0, effective_from=today())
    tariff.forget()
    sent = scene.world.send(10_00)
    tariff.forget()
    return [sent.pk], {"whose": "payer", "amount": "1", "key": NOTE["key"]}


def order_of_wanjiku(scene: Scene) -> StandingOrder:
    return StandingOrder.objects.get(customer=scene.world.wanjiku)


def paused(scene: Scene) -> StandingOrder:
    return pause_order(order_of_wanjiku(scene).pk, actor=scene.staff[OPS], reason="x")


def exchanged(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    """A position; the day after tomorrow its day is over, and books of an earlier one there are none."""
    kes = new_wallet()
    usd = new_wallet(kes.customer, "USD")
    fund(kes, 1_000_00)
    post_one(conversion(quoted(kes, sell_minor=1_000_00), kes, usd)).or_raise()
    real = revaluations.utc_now
    scene.patch.setattr(revaluations, "utc_now", lambda: real() + timedelta(days=2))
    return [], {"day": str(today())}


def tomorrow() -> date:
    return today() + timedelta(days=1)


def today() -> date:
    return now().date()


def reversal(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    _, agreed = previewed(scene.client, scene.world.sent, amount="100", note=WHY)
    return [scene.world.sent.pk], {**agreed, "step": "confirm"}


def proof_of_the_past(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    keep_proof(at=now(), findings=[], counts={}, milliseconds=1)
    return [], {"through": str(today() - timedelta(days=1)), "reason": WHY}


def owed(scene: Scene) -> Receivable:
    """John, who has spent nearly all of it, owes us what Wanjiku got back."""
    world, staff = scene.world, scene.staff
    post_one(transfer(world.johns, world.wallet, posted(world.johns) - 100_00)).or_raise()
    asked: dict[str, Any] = {"transaction": world.sent.pk, "amount_minor": 500_00, "reason_code": "fraud"}
    request = request_approval("receivable", asked | {"owed_minor": 400_00}, maker=staff[S], reason="x")
    approve(request.pk, actor=staff[K])
    fund(world.johns, 50_00)
    return Receivable.objects.get(transaction=world.sent)


def freeze(scene: Scene) -> Any:
    return scene.world.frozen.freezes.get()


def ending(scene: Scene) -> Any:
    return freeze_wallet(scene.world.johns, mode="debit", reason="x", actor=None, expires_at=now() + timedelta(hours=5))


def failed(scene: Scene) -> FailedJob:
    """A message of a bank that broke the worker."""
    failures.give_up("rail_message", [failures.Given(str(scene.world.odd.pk), {"rail": "sandbox"}, 3)])
    return FailedJob.objects.get(kind="rail_message")


def to_administrator(waits: Callable[[Scene], Any]) -> Callable[[Scene], tuple[list[Any], dict[str, Any]]]:
    return lambda scene: ([waits(scene).pk], {"to": str(scene.staff[D].pk)})


def lifted(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    return [scene.world.frozen.pk], {"freeze": str(freeze(scene).pk)}


def adjusted(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    return [], {
        "currency": "KES", "amount": "12.50", "debit": place(chart.adjustments("KES")), "debit_wallet": "",
        "credit": "wallet", "credit_wallet": "0712 345 678",
    }  # fmt: skip


def limits(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    one = TierLimit.objects.filter(currency="KES", tier=0).latest("pk")
    return [one.pk], LIMITS


def ended_export(scene: Scene) -> Export:
    export = Export.objects.get()
    Export.objects.filter(pk=export.pk).update(state="failed", error="x", finished_at=now(), started_at=now())
    return export


def switched_off(scene: Scene) -> Provider:
    one = Provider.objects.first()
    assert one is not None
    switch_provider(one.pk, on=False, reason="x", actor=None)
    return one


def rates_of_yesterday(scene: Scene) -> tuple[list[Any], dict[str, Any]]:
    line = f"{today() - timedelta(days=1):%d/%m/%Y},EURO,140,139,141\n"
    return [], {"source": "cbk", "file": SimpleUploadedFile("cbk.csv", f"Date,Currency,Mean,Buy,Sell\n{line}".encode())}


def saved(scene: Scene) -> SavedExport:
    return SavedExport.objects.get()


def tried(scene: Scene) -> PriceTrial:
    return PriceTrial.objects.get()


TRIED = {"kind": "transfer", "currency": "KES", "flat": "10", "part": "0.5", "days": "7", "key": str(uuid7())}
FEE = {"kind": "transfer", "currency": "KES", "flat": "10", "part": "0.5", "effective_from": str(today())}
LIMITS = {
    "country": "", "currency": "KES", "tier": "0", "per_movement": "500", "per_day": "1,000.00", "per_month": "20,000",
    "balance": "none", "effective_from": str(today()), "source": "Circular 3",
}  # fmt: skip
REASON = {"title": "Court order", "fee": "share", "is_active": "on"}
SOURCE = {
    "name": "A bank", "format": "cbk", "max_age": "4", "max_move": "20", "calendar": "weekdays", "priority": "50",
    "is_on": "on",
}  # fmt: skip
TERMS = {
    "sell": "KES", "buy": "USD", "cost": "0.35", "flat": "0", "minimum": "1", "maximum": "5,000,000",
    "daily_cap": "none", "minutes": "0", "opens": "08:00", "closes": "17:00", "weekdays": ["1", "2", "3", "4", "5"],
    "priority": "10", "is_on": "on", "effective_from": str(today()),
}  # fmt: skip
CAP = {"currency": "USD", "most": "1,000,000.00", "effective_from": str(today())}
MARGIN = {"sell": "KES", "buy": "", "tier": "", "part": "0.75", "effective_from": str(today())}
NOTE = {"text": "She called.", "key": "01a1f000-0000-7000-8000-000000000001"}
SIGNED = {"agreed": "on"}

ACTS: dict[str, Act] = {
    # what needs a second person
    "staff_approval_approve": Act(
        K, "approve reverse", lambda scene: ([scene.world.asked.pk], {"agreed": scene.world.asked.digest})
    ),
    "staff_approval_reject": Act(K, "reject", on(lambda scene: scene.world.asked)),
    "staff_approval_withdraw": Act(S, "withdraw", on(lambda scene: scene.world.asked)),
    "staff_approval_take": Act(K, "assign_approval", on(lambda scene: scene.world.asked, confirmed="yes"), why=False),
    "staff_approval_assign": Act(
        K, "assign_approval", lambda scene: ([scene.world.asked.pk], {"to": str(scene.staff[N].pk)}), why=False
    ),
    # staff
    "staff_session_end": Act(D, "end_session", on(session)),
    "staff_user_create": Act(
        D, "request_approval", new(username="kato", full_name="Kato", email="kato@example.com", role="support")
    ),
    "staff_user_set_role": Act(D, "request_approval", on(grace, role="auditor")),
    "staff_user_set_email": Act(D, "request_approval", on(grace, email="grace@example.com")),
    "staff_user_send_password_link": Act(D, "send_password_link", on(grace)),
    "staff_user_reset_factor": Act(D, "request_approval", on(enrolled)),
    "staff_user_lift_lockout": Act(D, "lift_lockout", on(locked_out)),
    "staff_user_deactivate": Act(D, "deactivate_staff", on(grace)),
    "staff_user_reactivate": Act(D, "request_approval", on(gone)),
    # customers and wallets
    "customers_stafflink_declare": Act(S, "declare_link", new(customer="0712 345 678", relation="own")),
    "customers_stafflink_record": Act(
        C,
        "declare_link",
        lambda scene: ([], {"colleague": grace(scene).pk, "customer": "0712 345 678", "relation": "family"}),
    ),
    "customers_stafflink_end": Act(C, "end_link", on(link)),
    "customers_customer_suspend": Act(S, "suspend", on(lambda scene: scene.world.john)),
    "customers_customer_reactivate": Act(S, "reactivate", on(suspended)),
    "customers_customer_reveal": Act(S, "reveal", on(lambda scene: scene.world.john, because="identify")),
    "viewings_viewing_start": Act(S, "start_viewing", new(customer="0712 345 678", why="asked")),
    "viewings_viewing_end": Act(S, "end_viewing", on(viewing), why=False),
    "wallets_wallet_freeze": Act(S, "freeze_wallet", on(lambda scene: scene.world.johns, mode="both", cause="asked")),
    "wallets_wallet_lift": Act(S, "lift_freeze", lifted),
    "wallets_freeze_lift_this": Act(S, "lift_freeze", on(freeze)),
    "wallets_wallet_close": Act(S, "close_wallet", on(lambda scene: new_wallet(scene.world.john, "USD"))),
    "customers_customer_add_note": Act(S, "add_note", on(lambda scene: scene.world.john, **NOTE), why=False),
    "wallets_wallet_add_note": Act(S, "add_note", on(lambda scene: scene.world.wallet, **NOTE), why=False),
    "transactions_transaction_add_note": Act(S, "add_note", on(lambda scene: scene.world.sent, **NOTE), why=False),
    "recalls_recall_add_note": Act(S, "add_note", on(lambda scene: scene.world.recall, **NOTE), why=False),
    "payouts_batch_add_note": Act(S, "add_note", on(lambda scene: Batch.objects.get(), **NOTE), why=False),
    "notes_note_withdraw": Act(S, "withdraw_note", on(lambda scene: Note.objects.get())),
    "wallets_freeze_extend": Act(S, "extend_freeze", on(ending, expires_at="")),
    # standing orders
    "schedules_standingorder_pause": Act(OPS, "pause", on(order_of_wanjiku)),
    "schedules_standingorder_resume": Act(OPS, "resume", on(paused)),
    "schedules_standingorder_add_note": Act(S, "add_note", on(order_of_wanjiku, **NOTE), why=False),
    "schedules_holiday_propose": Act(
        OPS, "request_approval", new(country="KE", day=str(date(today().year + 1, 8, 14)), name="Election day")
    ),
    # work that waits
    "core_failedjob_retry": Act(OPS, "retry_job", on(failed)),
    "core_failedjob_retry_many": Act(OPS, "retry_job", lambda scene: ([], {"jobs": [str(failed(scene).pk)]})),
    "core_failedjob_close": Act(OPS, "close_job", on(failed)),
    **{
        f"{model}_{door}": Act(by, action, way(what), why=False)
        for model, by, what in (
            ("core_failedjob", OPS, failed),
            ("transactions_transaction", OPS, given_up),
            ("wallets_freeze", S, ending),
            ("transactions_railmessage", OPS, lambda scene: scene.world.odd),
            ("recalls_recall", S, recall),
        )
        for door, action, way in (
            ("take", "take_work", partial(on, confirmed="yes")),
            ("hand_over", "hand_over_work", to_administrator),
        )
    },
    # money
    "transactions_transaction_reverse": Act(S, "reverse", reversal),
    "transactions_transaction_release": Act(S, "release", on(given_up)),
    "transactions_transaction_call_off": Act(
        Role.OPERATIONS, "call_off", on(lambda scene: scene.world.through_a_rail("cash_out", 50_00))
    ),
    "transactions_transaction_void": Act(S, "void", on(lambda scene: scene.world.promised(60_00))),
    "transactions_transaction_adjust": Act(F, "request_approval", adjusted),
    "transactions_revaluation_revalue": Act(F, "request_approval", exchanged),
    "transactions_railmessage_close": Act(S, "close", on(lambda scene: scene.world.odd)),
    "payments_paymentrequest_cancel": Act(S, "cancel", on(lambda scene: PaymentRequest.objects.earliest("pk"))),
    "recalls_recall_open": Act(
        S,
        "open_recall",
        lambda scene: ([], {"receipt": scene.world.undone.receipt, "amount": "50", "reason": "duplicate"}),
    ),
    "recalls_recall_consent": Act(S, "consent", on(recall)),
    "recalls_recall_refuse": Act(S, "refuse", on(recall)),
    "recalls_recall_withdraw": Act(S, "withdraw", on(recall)),
    "payouts_batch_stop": Act(OPS, "cancel", on(lambda scene: Batch.objects.get())),
    # rules and books
    "customers_tierlimit_propose": Act(F, "request_approval", new(**LIMITS)),
    "customers_tierlimit_propose_next": Act(F, "request_approval", limits),
    "transactions_feerule_propose": Act(F, "request_approval", new(**FEE)),
    "transactions_pricetrial_try_price": Act(F, "try_price", new(**TRIED), why=False),
    "transactions_pricetrial_try_another": Act(F, "try_price", on(tried, **TRIED), why=False),
    "transactions_feerule_propose_next": Act(F, "request_approval", on(fee, **FEE)),
    "transactions_feewaiver_grant": Act(F, "request_approval", granted),
    "transactions_transaction_waive_fee": Act(S, "waive_fee", waived),
    "transactions_reversalreason_propose": Act(F, "request_approval", new(code="court_order", **REASON)),
    "transactions_reversalreason_propose_next": Act(
        F, "request_approval", on(lambda scene: ReversalReason.objects.get(pk="fraud"), **REASON)
    ),
    "transactions_receivable_collect": Act(F, "request_approval", on(owed, amount="10")),
    "transactions_receivable_write_off": Act(F, "request_approval", on(owed, amount="10")),
    "ledger_periodclose_close_period": Act(F, "request_approval", proof_of_the_past),
    "reports_dailyproof_sign_off": Act(F, "sign_off_proof", on(lambda scene: DailyProof.objects.get(), **SIGNED)),
    # exchange
    "fx_rateload_upload": Act(F, "load_rates", rates_of_yesterday, why=False),
    "fx_ratesource_propose": Act(F, "request_approval", new(code="bnr", **SOURCE)),
    "fx_ratesource_propose_next": Act(
        F, "request_approval", on(lambda scene: RateSource.objects.filter(code="cbk").latest("pk"), **SOURCE)
    ),
    "fx_provider_enter": Act(F, "add_fx_provider", new(code="new-bank", name="New Bank")),
    "fx_provider_propose": Act(F, "request_approval", on(lambda scene: Provider.objects.first(), **TERMS)),
    "fx_provider_switch_off": Act(OPS, "switch_fx_provider", on(lambda scene: Provider.objects.first())),
    "fx_provider_switch_on": Act(OPS, "switch_fx_provider", on(switched_off)),
    "fx_providerterms_propose_next": Act(
        F, "request_approval", on(lambda scene: ProviderTerms.objects.first(), **TERMS)
    ),
    "fx_exposurecap_propose": Act(F, "request_approval", new(**CAP)),
    "fx_exposurecap_propose_next": Act(F, "request_approval", on(lambda scene: ExposureCap.objects.first(), **CAP)),
    "fx_margin_propose": Act(F, "request_approval", new(**MARGIN)),
    "fx_margin_propose_next": Act(F, "request_approval", on(lambda scene: Margin.objects.first(), **MARGIN)),
    # exports and papers
    "reports_export_new": Act(F, "request_export", lambda scene: (["transactions"], export_form()), why=False),
    "reports_export_again": Act(F, "run_export_again", on(ended_export), why=False),
    "reports_savedexport_run": Act(F, "request_export", on(saved, **SIGNED), why=False),
    "reports_savedexport_plan": Act(
        F, "schedule_export", on(saved, every="weekly", weekday="0", at="06:30", covers="week", **SIGNED), why=False
    ),
    "reports_savedexport_share": Act(F, "share_export", on(saved, shared="no"), why=False),
    "reports_savedexport_end": Act(F, "end_saved_export", on(saved, **SIGNED), why=False),
    "reports_trial_balance_pdf": Act(F, "issue_paper", new(), why=False),
    "reports_ledger_pdf": Act(F, "issue_paper", new(), why=False),
    "reports_proof_pdf": Act(F, "issue_paper", on(lambda scene: DailyProof.objects.get()), why=False),
    "statements_file": Act(S, "make_statement", on(lambda scene: scene.world.wallet), why=False),
    "statements_kept_file": Act(S, "make_statement", on(lambda scene: Statement.objects.first()), why=False),
}
QUERIES = {"reports_ledger_pdf": "?account=asset:rail:sandbox:KES"}
NOT_DIALOGS = {"reports_export_new"}  # an address of the admin class, with a form of its own


def export_form() -> dict[str, str]:
    from core.ids import uuid7

    return {"key": str(uuid7()), "query": "", "file_format": "csv"}


def acting() -> set[str]:
    """Every dialog, and every place that takes a POST."""
    found = {one.name for one in places() if one.acts}
    for one in admin.site._registry.values():
        kept: Any = one
        found |= {action.action_name for action in (*kept._get_base_actions_detail(), *kept._get_base_actions_list())}
    return found


def test_every_act_has_a_row_and_every_row_an_act() -> None:
    assert acting() - set(ACTS) == set(), "say in ACTS how these are done, and what the trail calls it"
    assert set(ACTS) - acting() == NOT_DIALOGS


def rows_of(user: User, act: Callable[[], Any]) -> tuple[Any, list[AuditRecord]]:
    """What ``act`` answers, and the rows of acts that it left. All say who, in which role, whence, in which request."""
    before = set(AuditRecord.objects.values_list("pk", flat=True))
    answer = act()
    made = [one for one in AuditRecord.objects.filter(look=False).order_by("id") if one.pk not in before]
    assert made, f"an act without a row: {text_of(answer)}"
    assert user.principal in {one.actor for one in made}
    for one in made:
        who = user
        if one.actor != user.principal:  # what a colleague asked for is theirs, and says who approved it
            who = User.objects.get(pk=one.actor.removeprefix("staff:"))
            assert one.after["approved_by"] == user.principal, one
        told = (one.actor, one.role, one.ip, one.request_id, one.door)
        assert told == (who.principal, who.role, "127.0.0.1", REQUEST, "admin"), one
        assert one.subject_type and one.subject_id, one
    return answer, made


def text_of(answer: Any) -> str:
    form = getattr(answer, "context", None) and answer.context.get("form")
    return str(form.errors) if form is not None else str(answer)


@pytest.fixture
def scene(
    world: World, staff: dict[str, User], settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Scene]:
    settings.EXPORTS_DIR = tmp_path / "exports"
    return lambda role: Scene(world, staff, client_of(staff[role], headers={"X-Request-ID": REQUEST}), monkeypatch)


@pytest.mark.parametrize("name", ACTS)
def test_each_act_is_on_record_with_what_changed_and_why(scene: Callable[[str], Scene], name: str) -> None:
    row = ACTS[name]
    here = scene(row.by)
    args, form = row.set_up(here)
    if row.why:
        form = {"reason": WHY, "note": WHY, "comment": WHY} | form
        form |= {"note": WHY} if name != "transactions_transaction_reverse" else {}
    url = reverse(f"admin:{name}", args=args) + QUERIES.get(name, "")

    _, made = rows_of(here.staff[row.by], lambda: here.client.post(url, form))

    found = {one.action: one for one in made}
    assert set(row.actions.split()) <= set(found), found
    first = found[row.actions.split()[0]]
    assert first.after not in (None, {}), "it does not say what is"
    assert first.before != first.after
    if row.why:
        assert WHY in {one.reason for one in made}, [one.reason for one in made]


def test_what_one_is_refused_is_on_record_too(scene: Callable[[str], Scene]) -> None:
    """One's own request, approved past the dialog."""
    here = scene(S)
    url = reverse("admin:staff_approval_approve", args=[here.world.asked.pk])

    assert here.client.post(url, {"agreed": here.world.asked.digest}).status_code == 403

    refused = AuditRecord.objects.latest("id")
    assert (refused.action, refused.actor, refused.request_id) == ("refused", here.staff[S].principal, REQUEST)


# --- Getting in, and one's own keys ----------------------------------------------------------------------------------


def test_signing_in_failing_to_being_locked_out_and_signing_out(staff: dict[str, User]) -> None:
    client = Client(headers={"X-Request-ID": REQUEST})
    user, code = staff[Role.SUPPORT], code_of("support")
    for _ in range(6):
        client.post("/admin/login/", {"username": "support", "password": "wrong"})
    services.lift_lockout(user, reason="x", actor=staff[Role.ADMINISTRATOR])
    client.post("/admin/login/", {"username": "support", "password": PASSWORD})
    client.post("/admin/second-factor/", {"proof_code": "000000"})
    client.post("/admin/second-factor/", {"proof_code": code})
    client.post("/admin/logout/")

    rows = AuditRecord.objects.filter(look=False, subject_id=str(user.pk), request_id=REQUEST).order_by("id")
    rows = rows.exclude(action="lift_lockout")
    assert [(one.action, one.actor, one.after) for one in rows] == [
        *[("sign_in_failed", "unknown", {"with": "password"})] * 5,
        ("locked_out", "unknown", {"with": "password"}),
        ("sign_in_failed", user.principal, {"with": "second factor"}),
        ("sign_in", user.principal, {"with": "app"}),
        ("sign_out", user.principal, None),
    ]
    assert all((one.ip, one.door) == ("127.0.0.1", "admin") and one.role for one in rows)


def test_a_lockout_at_the_second_factor_and_of_a_name_that_is_nobodys(staff: dict[str, User]) -> None:
    client = Client(headers={"X-Request-ID": REQUEST})
    code_of("support")
    client.post("/admin/login/", {"username": "support", "password": PASSWORD})
    for _ in range(6):
        client.post("/admin/second-factor/", {"proof_code": "000000"})
    for _ in range(6):
        client.post("/admin/login/", {"username": "nobody", "password": "wrong"})

    locked = AuditRecord.objects.filter(action="locked_out").order_by("id")
    assert [(one.actor, one.after) for one in locked] == [
        (staff[Role.SUPPORT].principal, {"with": "second factor"}), ("unknown", {"with": "password"}),
    ]  # fmt: skip
    assert "nobody" not in str([vars(one) for one in locked]), "what was typed may be a password"


@pytest.mark.parametrize(
    ("path", "form", "action"),
    [
        ("/admin/my-second-factor/", {"do": "codes", "sure": "yes"}, "new_recovery_codes"),
        ("/admin/my-second-factor/", {"do": "remove", "sure": "yes"}, "remove_factor"),
        (
            "/admin/password_change/",
            {"old_password": PASSWORD, "new_password1": "seven quiet herons", "new_password2": "seven quiet herons"},
            "change_password",
        ),
        ("/admin/prove/", {"next": "/admin/"}, "step_up"),
        ("/admin/logout/", {}, "sign_out"),
    ],
)
def test_what_one_does_to_ones_own_keys(staff: dict[str, User], path: str, form: dict[str, str], action: str) -> None:
    client = sign_in(client=Client(headers={"X-Request-ID": REQUEST}))
    user = staff[Role.SUPPORT]
    if action == "remove_factor":  # of two
        user.passkeys.create(credential=b"x", public_key=b"x", sign_count=0, host="testserver", name="Key")
    if action == "step_up":
        Session.objects.update(proved_at=now() - timedelta(minutes=6))
        form = form | {"proof_code": code_of("support")}

    _, made = rows_of(user, lambda: client.post(path, form))

    assert action in {one.action for one in made}


# --- What leaves the house -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_downloads_are_on_record(scene: Callable[[str], Scene]) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    here = scene(F)
    export, _ = exported(here.client)
    file = SimpleUploadedFile("a.pdf", b"%PDF-1.7 x")
    url = reverse("admin:transactions_transaction_add_note", args=[here.world.sent.pk])
    here.client.post(url, {"text": "x", "key": "01a1f000-0000-7000-8000-000000000002", "file": file})

    for url, action in (
        (reverse("admin:reports_export_download", args=[export.pk]), "download_export"),
        (reverse("admin:notes_file", args=[Note.objects.get(text="x").pk]), "download_file"),
    ):
        _, made = rows_of(here.staff[F], lambda url=url: here.client.get(url))  # type: ignore[misc]
        assert [one.action for one in made] == [action]


# --- The control -----------------------------------------------------------------------------------------------------


def test_an_act_that_leaves_no_row_would_be_seen(
    scene: Callable[[str], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the same act, by a service that forgets to record; and one that forgets the role."""
    here = scene(S)
    url = reverse("admin:wallets_wallet_freeze", args=[here.world.johns.pk])
    form = {"reason": WHY, "mode": "both", "cause": "asked"}

    with monkeypatch.context() as forgetful:
        forgetful.setattr("wallets.services.audit.record", lambda **_: None)
        with pytest.raises(AssertionError, match="an act without a row"):
            rows_of(here.staff[S], lambda: here.client.post(url, form))
    with monkeypatch.context() as forgetful:
        forgetful.setattr("core.audit.role_of", lambda actor: "")
        with pytest.raises(AssertionError, match="freeze_wallet"):
            rows_of(here.staff[S], lambda: here.client.post(url, form))
