"""The back office itself: its address space, its menu, its one search box, who gets in."""

from functools import cache
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, get_user
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from core.admin.dialogs import told
from core.admin.pages import may
from core.admin.places import places
from core.admin.search import find, only_exact
from staff import doors, services
from staff.errors import SignInClosed, TooManySignIns, WrongPassword
from staff.looks import noted
from staff.models import User
from staff.queues import Waiting
from staff.work import list_of, work_of

# Group, then (title, icon, view's name, permission: None is for everybody who works here).
MENU: list[tuple[str, list[tuple[str, str, str, str | None]]]] = [
    (
        "",
        [
            ("Dashboard", "monitoring", "index", None),
            ("Work", "checklist", "staff_work", "staff.view_work"),
            ("My requests", "outbox", "staff_my_requests", "staff.request"),
        ],
    ),
    (
        "Work queues",
        [
            ("Approvals", "how_to_reg", "staff_approval_changelist", "staff.view_approval"),
            (
                "Unknown outcomes",
                "help_center",
                "transactions_unknownoutcome_changelist",
                "transactions.view_unknownoutcome",
            ),
            ("Rail messages", "mail", "transactions_railmessage_changelist", "transactions.view_railmessage"),
            ("Failed jobs", "running_with_errors", "core_failedjob_changelist", "core.view_failedjob"),
            ("Recalls", "gavel", "recalls_recall_changelist", "recalls.view_recall"),
            ("Freezes", "ac_unit", "wallets_freeze_changelist", "wallets.view_freeze"),
        ],
    ),
    (
        "Customers",
        [
            ("Customers", "group", "customers_customer_changelist", "customers.view_customer"),
            ("Wallets", "account_balance_wallet", "wallets_wallet_changelist", "wallets.view_wallet"),
            ("Notes", "sticky_note_2", "notes_note_changelist", "notes.view_note"),
            (
                "Notifications",
                "notifications",
                "notifications_notification_changelist",
                "notifications.view_notification",
            ),
        ],
    ),
    (
        "Money",
        [
            ("Transactions", "swap_horiz", "transactions_transaction_changelist", "transactions.view_transaction"),
            ("Receivables", "request_quote", "transactions_receivable_changelist", "transactions.view_receivable"),
            ("Payouts", "payments", "payouts_batch_changelist", "payouts.view_batch"),
            ("Payment requests", "qr_code_2", "payments_paymentrequest_changelist", "payments.view_paymentrequest"),
            ("Standing orders", "event_repeat", "schedules_standingorder_changelist", "schedules.view_standingorder"),
            ("Runs of standing orders", "update", "schedules_orderrun_changelist", "schedules.view_orderrun"),
            ("Statements", "receipt", "statements_statement_changelist", "statements.view_statement"),
            ("Canned answers", "support_agent", "transactions_answers", "transactions.view_transaction"),
        ],
    ),
    (
        "Finance",
        [
            ("Trial balance", "balance", "reports_trial_balance", "ledger.view_account"),
            ("Fee income", "monetization_on", "reports_fee_income", "ledger.view_account"),
            ("General ledger", "menu_book", "reports_ledger", "ledger.view_account"),
            ("Balance as of", "history_toggle_off", "reports_balance", "ledger.view_account"),
            ("Daily proof", "verified", "reports_dailyproof_changelist", "reports.view_dailyproof"),
            ("Daily totals", "calendar_month", "reports_summedday_changelist", "reports.view_summedday"),
            ("Papers", "print", "reports_issuedpaper_changelist", "reports.view_issuedpaper"),
            ("Saved exports", "bookmark", "reports_savedexport_changelist", "reports.view_savedexport"),
            ("Exports", "download", "reports_export_changelist", "reports.view_export"),
        ],
    ),
    (
        "Exchange",
        [
            ("Rates", "currency_exchange", "fx_rates", "fx.view_rate"),
            ("Positions and results", "balance", "fx_positions", "fx.view_quote"),
            (
                "Revaluations",
                "published_with_changes",
                "transactions_revaluation_changelist",
                "transactions.view_revaluation",
            ),
            ("What would it cost?", "calculate", "fx_cost", "fx.view_quote"),
            ("Quotes", "request_quote", "fx_quote_changelist", "fx.view_quote"),
            ("Routes", "alt_route", "fx_routingdecision_changelist", "fx.view_routingdecision"),
            ("Providers", "storefront", "fx_provider_changelist", "fx.view_provider"),
            ("Terms of providers", "handshake", "fx_providerterms_changelist", "fx.view_providerterms"),
            ("Margins", "percent", "fx_margin_changelist", "fx.view_margin"),
            ("Exposure caps", "vertical_align_top", "fx_exposurecap_changelist", "fx.view_exposurecap"),
            ("Loads of rates", "upload_file", "fx_rateload_changelist", "fx.view_rateload"),
            ("Sources of rates", "rss_feed", "fx_ratesource_changelist", "fx.view_ratesource"),
        ],
    ),
    (
        "Books",
        [
            ("Accounts", "account_tree", "ledger_account_changelist", "ledger.view_account"),
            ("Journals", "receipt_long", "ledger_journal_changelist", "ledger.view_journal"),
            ("Closed periods", "lock_clock", "ledger_periodclose_changelist", "ledger.view_periodclose"),
            ("Holds", "back_hand", "reports_holdline_changelist", "reports.view_holdline"),
            ("Entries", "format_list_numbered", "reports_entryline_changelist", "reports.view_entryline"),
        ],
    ),
    (
        "Rules",
        [
            ("Limits", "speed", "customers_tierlimit_changelist", "customers.view_tierlimit"),
            ("Fees", "percent", "transactions_feerule_changelist", "transactions.view_feerule"),
            ("What if it cost …", "query_stats", "transactions_pricetrial_changelist", "transactions.view_pricetrial"),
            ("Waivers of fees", "money_off", "transactions_feewaiver_changelist", "transactions.view_feewaiver"),
            ("Reversal reasons", "undo", "transactions_reversalreason_changelist", "transactions.view_reversalreason"),
            ("Recall reasons", "gavel", "recalls_recallreason_changelist", "recalls.view_recallreason"),
            ("Countries", "public", "customers_country_changelist", "customers.view_country"),
            ("Calendar entries", "event_busy", "schedules_holiday_changelist", "schedules.view_holiday"),
        ],
    ),
    (
        "Oversight",
        [
            ("Audit trail", "history", "core_auditrecord_changelist", "core.view_auditrecord"),
            ("Reveals", "contact_phone", "customers_reveal_changelist", "customers.view_reveal"),
            ("Views as customer", "visibility", "viewings_viewing_changelist", "viewings.view_viewing"),
            ("Seals", "link", "evidence_block_changelist", "evidence.view_block"),
            ("Checks of the chain", "fact_check", "evidence_check_changelist", "evidence.view_check"),
            ("Staff", "badge", "staff_user_changelist", "staff.view_user"),
            ("Roles", "rule", "staff_roles", "staff.view_roles"),
            ("Sessions", "devices", "staff_session_changelist", "staff.view_session"),
            ("Links to customers", "diversity_3", "customers_stafflink_changelist", "customers.view_stafflink"),
        ],
    ),
]


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: what this member of staff may open, and nothing else."""
    groups = []
    queues = {one.queue.view: one for one in work_of(request).values()} if may(request, "staff.view_work") else {}
    for title, entries in MENU:
        items = [
            {"title": name, "icon": icon, "link": address(view), **waits(queues.get(view))}
            for name, icon, view, permission in entries
            if (permission is None or may(request, permission)) and address(view)
        ]
        groups.append({"title": title, "items": items})
    return groups


def waits(one: Waiting | None) -> dict[str, Any]:
    """Beside an entry that is a queue: how much waits there, how late the worst of it is, and the way to what waits."""
    if one is None:
        return {"count": 0}
    said = {"link": list_of(one.queue), "count": one.count}
    return said | {"shown": one.shown, "tone": one.tone, "words": one.words}


def account(request: HttpRequest) -> list[dict[str, str]]:
    """Behind one's own name in the corner."""
    return [
        {"title": "Where I am signed in", "link": address("staff_session_changelist") + "?whose=mine"},
        {"title": "Second factor", "link": address("staff_security")},
        {"title": "Change password", "link": address("password_change")},
    ]


@cache
def address(view: str) -> str:
    """Asked for dozens of entries on every page, and the same for as long as the process runs."""
    try:
        return reverse(f"admin:{view}")
    except NoReverseMatch:  # the app that shows it is not installed
        return ""


def environment(request: HttpRequest) -> tuple[str, str]:
    """The badge that says whose money this is."""
    return settings.ENVIRONMENT, "danger" if settings.ENVIRONMENT == "production" else "info"


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    def clean_old_password(self) -> str:
        """As at the door: each guess is counted, and a wrong one is on record."""
        password = str(self.cleaned_data["old_password"])
        try:
            services.check_password(None, self.user.get_username(), password)
        except WrongPassword:
            raise ValidationError(self.error_messages["password_incorrect"], "password_incorrect") from None
        except (TooManySignIns, SignInClosed) as refusal:
            raise ValidationError(told(refusal), refusal.code) from refusal
        return password

    def save(self, commit: bool = True) -> User:
        user = super().save(commit)
        services.changed_own_password(user)
        return user


class StaffSite(UnfoldAdminSite):
    index_title = _("Dashboard")
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(noted(view), cacheable)

    def get_urls(self) -> list[Any]:
        """With the places that apps contribute, and without Django's doors that no page of ours uses."""
        ours = [
            path("second-factor/", doors.prove_second_factor, name="second_factor"),
            path("enrol/", doors.enrol, name="enrol"),
            path("new-password/<uidb64>/<token>/", doors.NewPasswordView.as_view(), name="new_password"),
            path("prove/", self.admin_view(doors.prove), name="staff_prove"),
            path("my-second-factor/", self.admin_view(doors.security), name="staff_security"),
        ]
        ours += [path(one.route, self.admin_view(one.view), name=one.name) for one in places()]
        theirs = [url for url in super().get_urls() if getattr(url, "name", "") not in ("autocomplete", "view_on_site")]
        return ours + theirs

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """None: the menu is the map. Django would make its own for every page, which no page of ours shows."""
        return []

    @method_decorator(require_safe)
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return cast(HttpResponse, super().index(request, extra_context))

    @method_decorator(require_safe)
    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One box for every identifier. Naming exactly one thing goes straight to it."""
        text = request.GET.get("q", "")
        groups = find(text, request.user)
        if (hit := only_exact(groups)) is not None:
            return HttpResponseRedirect(hit.url)
        context = {**self.each_context(request), "title": "Search", "q": text, "groups": groups}
        return TemplateResponse(request, "admin/search.html", context)

    def has_permission(self, request: HttpRequest) -> bool:
        """A session that does not say with which second factor it began opens nothing."""
        return bool(request.session.get("second_factor")) and super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        context = {**self.each_context(request), "title": _("Log in"), "app_path": request.get_full_path()}
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = reverse("admin:index")
        return cast(HttpResponse, doors.SignInView.as_view(extra_context=context)(request))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        user = get_user(request)
        if request.method == "POST" and isinstance(user, User):
            services.signed_out(user)
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        view = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context=self.each_context(request),
        )
        return cast(HttpResponse, view(request))

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The menu is the map; Django's page per app is not needed."""
        return HttpResponseRedirect(reverse("admin:index"))
