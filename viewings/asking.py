"""The customer API, asked from inside the process for staff who view as a customer. Nothing it does can stay:

1. only the views in SHOWN are asked, with a GET that is made here (no request of a browser gets through);
2. the API refuses all else to this principal (`customers/authentication.py`), who has no session that could move money;
3. the database transaction is READ ONLY, whoever writes in it and how, and it is rolled back.

See docs/adr/0034-view-as-customer.md.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db import connection
from django.db import transaction as db_transaction
from django.http import HttpRequest, QueryDict
from rest_framework.response import Response

from customers.api.views import LimitsView, MeView
from customers.authentication import CustomerPrincipal
from notifications.api.views import NotificationsView
from payments.api.views import PaymentRequestsView, PaymentRequestView, UsesView
from payouts.api.views import PayoutItemsView, PayoutsView, PayoutView
from recalls.api.views import RecallsView
from schedules.api.views import RunsView, StandingOrdersView, StandingOrderView
from statements.api.views import KeptStatementView, MerchantStatementView, StatementSettingsView, StatementsView
from transactions.api.fees import FeesView
from transactions.api.fx import QuoteView, RatesView
from transactions.api.holds import HoldsView, HoldView
from transactions.api.views import HistoryView, TransactionView, WalletLimitsView
from viewings.api.views import AccessesView
from viewings.models import Viewing
from wallets.api.views import WalletsView, WalletView

SHOWN = {
    "me": MeView,
    "limits": LimitsView,
    "wallets": WalletsView,
    "wallet": WalletView,
    "wallet_limits": WalletLimitsView,
    "history": HistoryView,
    "transaction": TransactionView,
    "statements": StatementsView,
    "kept_statement": KeptStatementView,
    "takings": MerchantStatementView,
    "statement_settings": StatementSettingsView,
    "requests": PaymentRequestsView,
    "request": PaymentRequestView,
    "request_payments": UsesView,
    "standing_orders": StandingOrdersView,
    "standing_order": StandingOrderView,
    "runs": RunsView,
    "holds": HoldsView,
    "hold": HoldView,
    "payouts": PayoutsView,
    "payout": PayoutView,
    "payout_items": PayoutItemsView,
    "fees": FeesView,
    "rates": RatesView,
    "quote": QuoteView,
    "notifications": NotificationsView,
    "recalls": RecallsView,
    "accesses": AccessesView,
}


class Answer(NamedTuple):
    """What the app would have got: a document, or the problem that it would have shown."""

    status: int
    body: dict[str, Any]

    @property
    def is_refused(self) -> bool:
        return self.status >= 400


def ask(viewing: Viewing, what: str, query: Mapping[str, str] | None = None, **path: Any) -> Answer:
    """What the API tells the customer at this moment; ``what`` is one of SHOWN. Whether the view is still open has been
    asked before (`selectors.check_open`)."""
    request = request_of(viewing, "GET", query)
    with read_only():
        response = SHOWN[what].as_view()(request, **path)
        if isinstance(response, Response):
            response.render()
        return Answer(response.status_code, json.loads(response.content))


def request_of(viewing: Viewing, method: str, query: Mapping[str, str] | None = None) -> HttpRequest:
    """A request that no client sent, in the name of ``viewing``."""
    request = HttpRequest()
    request.method = method
    request.GET = QueryDict(urlencode(query or {}))
    principal = CustomerPrincipal(viewing.customer_id, viewing.pk, viewed_by=viewing.agent.principal)
    request.viewed_as = principal  # type: ignore[attr-defined]
    return request


@contextmanager
def read_only() -> Iterator[None]:
    """PostgreSQL refuses every write of this block; inside an open ``atomic`` block, of a savepoint of it."""
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        db_transaction.set_rollback(True)
