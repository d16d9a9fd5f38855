"""The customer's own access log."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import page_body, read_page
from customers.authentication import caller
from customers.permissions import LiveSession
from viewings import accesses
from viewings.api import serializers as s


class AccessesView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_accesses", parameters=[s.AccessQuery], responses=s.AccessPageSerializer)
    def get(self, request: Request) -> Response:
        """Who has seen your account or your personal data and why, and your own sign-ins, newest first."""
        page = read_page(request, s.AccessQuery)
        rows = accesses.accesses_of(caller(request).id, page.after[0] if page.after else None, page.limit + 1)
        return Response(
            page_body(rows, page.limit, key=lambda row: [row.id], shown=lambda row: s.AccessSerializer(row).data)
        )
