"""A URLconf whose views fail in every way a view can."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import Declined, NotFound
from core.pagination import CursorField, PageQuery, page_body, read_page
from core.serializers import AmountField, EmailField, InstantField, PhoneField, SecretField, StrictSerializer, TextField

SECRET_SQL = 'duplicate key value violates unique constraint "customers_customer_email_key"'


class Unfunded(Declined):
    """The wallet holds less than that."""

    code, title = "unfunded_in_tests", "Not enough"


class Public(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]


class Raises(Public):
    errors: dict[str, Any] = {
        "refusal": Unfunded("You have 5.00.", available="5.00"),
        "missing": NotFound(),
        "http404": Http404("no row in customers_customer"),
        "denied": PermissionDenied("secret reason"),
        "suspicious": SuspiciousOperation("secret reason"),
        "bug": ZeroDivisionError("secret reason"),
        "sql": IntegrityError(SECRET_SQL),
        "down": OperationalError("connection to server at 10.1.2.3 failed"),
        "closed": InterfaceError("connection already closed"),
    }

    def get(self, request: Request, what: str) -> Response:
        raise self.errors[what]


class Inner(StrictSerializer):
    account_number = TextField(max_length=10)


class Everything(StrictSerializer):
    name = TextField(max_length=20, required=False)
    phone = PhoneField(required=False)
    email = EmailField(required=False)
    amount = AmountField(required=False)
    secret = SecretField(required=False, max_length=20)
    at = InstantField(required=False)
    inner = Inner(required=False)
    shown_only = serializers.CharField(read_only=True)


class Echo(Public):
    def post(self, request: Request) -> Response:
        body = Everything(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data)


class Numbers(PageQuery):
    cursor = CursorField(int)


class Listing(Public):
    """The numbers from 1 to 120."""

    def get(self, request: Request) -> Response:
        page = read_page(request, Numbers)
        start = page.after[0] + 1 if page.after else 1
        rows = list(range(start, min(start + page.limit + 1, 121)))
        return Response(page_body(rows, page.limit, key=lambda n: [n], shown=lambda n: n))


class Closed(Public):
    throttle_fails_closed = True

    def get(self, request: Request) -> Response:
        return Response({})


def fails(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret reason")


urlpatterns = [
    path("v1/raises/<slug:what>", Raises.as_view()),
    path("v1/echo", Echo.as_view()),
    path("v1/numbers", Listing.as_view()),
    path("v1/closed", Closed.as_view()),
    path("v1/fails", fails),
    path("admin/fails", fails),
    path("", include("tekana.urls")),
]
handler400 = "core.problems.bad_request"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"
