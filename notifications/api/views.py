"""The customer's notifications: read them, and say so."""

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
from notifications import selectors, services
from notifications.api import serializers as s
from notifications.errors import NotificationNotFound


class NotificationsView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_notifications", parameters=[s.InboxQuery], responses=s.InboxPageSerializer)
    def get(self, request: Request) -> Response:
        """Your notifications, newest first."""
        page = read_page(request, s.InboxQuery)
        before = page.after[0] if page.after else None
        unread = page.filters.get("unread", False)
        rows = selectors.inbox(caller(request).id, unread=unread, before=before)[: page.limit + 1]
        return Response(
            page_body(
                list(rows), page.limit, key=lambda row: [row.id], shown=lambda row: s.NotificationSerializer(row).data
            )
        )


class NotificationReadView(APIView):
    permission_classes = [LiveSession]
    problems = [NotificationNotFound]

    @extend_schema(operation_id="read_notification", request=EmptySerializer, responses={200: s.NotificationSerializer})
    def post(self, request: Request, notification_id: UUID) -> Response:
        """Say that you have read it. Saying so again changes nothing."""
        read_body(request, EmptySerializer)
        customer_id = caller(request).id
        services.mark_read(customer_id, notification_id)
        notification = selectors.inbox(customer_id).filter(pk=notification_id).first()
        if notification is None:
            raise NotificationNotFound
        return Response(s.NotificationSerializer(notification).data)


class NotificationsReadView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="read_all_notifications", request=EmptySerializer, responses={200: s.MarkedSerializer})
    def post(self, request: Request) -> Response:
        """Say that you have read all of them."""
        read_body(request, EmptySerializer)
        return Response({"marked": services.mark_read(caller(request).id)})
