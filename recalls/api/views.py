"""The door for those who are asked for money back: see it, agree, refuse. For the recipient alone."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import page_body, read_page
from customers.api.serializers import EmptySerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.permissions import LiveSession
from recalls import selectors, services
from recalls.api import serializers as s
from recalls.errors import RecallClosed, RecallNotFound
from wallets.errors import WalletClosed, WalletFrozen


class RecallsView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_recalls", parameters=[s.RecallQuery], responses=s.RecallPageSerializer)
    def get(self, request: Request) -> Response:
        """Payments that you received and their senders ask back, newest first."""
        page = read_page(request, s.RecallQuery)
        recalls = selectors.recalls_of(caller(request).id)
        if page.after:
            recalls = recalls.filter(pk__lt=page.after[0])
        if status := page.filters.get("status"):
            recalls = recalls.filter(state=status)
        rows = list(recalls[: page.limit + 1])
        return Response(page_body(rows, page.limit, key=lambda row: [row.pk], shown=s.recall_body))


class RecallView(APIView):
    permission_classes = [LiveSession]
    problems = [RecallNotFound]

    @extend_schema(operation_id="read_recall", responses=s.RecallSerializer)
    def get(self, request: Request, recall_id: UUID) -> Response:
        """One of them."""
        return Response(s.recall_body(selectors.recall_of(caller(request).id, recall_id)))


class ConsentView(APIView):
    permission_classes = [LiveSession]
    problems = [RecallNotFound, RecallClosed, WalletClosed, WalletFrozen]

    @extend_schema(operation_id="consent_to_recall", request=EmptySerializer, responses={200: s.RecallSerializer})
    def post(self, request: Request, recall_id: UUID) -> Response:
        """Agree: what is held goes back to its sender at once. Agreeing again changes nothing and says the same."""
        read_body(request, EmptySerializer)
        recall = selectors.recall_of(caller(request).id, recall_id)
        return Response(s.recall_body(services.consent(recall.pk, actor=caller(request))))


class RefuseView(APIView):
    permission_classes = [LiveSession]
    problems = [RecallNotFound, RecallClosed]

    @extend_schema(operation_id="refuse_recall", request=s.RefusalSerializer, responses={200: s.RecallSerializer})
    def post(self, request: Request, recall_id: UUID) -> Response:
        """Refuse: what is held is yours to use again. Refusing again changes nothing and says the same."""
        body = read_body(request, s.RefusalSerializer)
        recall = selectors.recall_of(caller(request).id, recall_id)
        return Response(s.recall_body(services.refuse(recall.pk, actor=caller(request), note=body.get("reason", ""))))
