"""What notifications look like on the wire."""

from uuid import UUID

from rest_framework import serializers

from core.pagination import CursorField, PageQuery


class InboxQuery(PageQuery):
    unread = serializers.BooleanField(required=False, help_text="Only those not read yet.")
    cursor = CursorField(UUID)


class NotificationSerializer(serializers.Serializer):
    notification_id = serializers.UUIDField(source="id")
    kind = serializers.CharField(help_text="`money_sent`, `cash_out_failed` …: for programs; new ones may come")
    title = serializers.CharField()
    body = serializers.CharField()
    transaction_id = serializers.UUIDField(source="transaction", allow_null=True, help_text="what it tells of")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class InboxPageSerializer(serializers.Serializer):
    data = NotificationSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class MarkedSerializer(serializers.Serializer):
    marked = serializers.IntegerField(help_text="how many had not been read before")
