"""What the access log looks like on the wire."""

from uuid import UUID

from rest_framework import serializers

from core.pagination import CursorField, PageQuery
from viewings.accesses import TITLES


class AccessQuery(PageQuery):
    cursor = CursorField(UUID)


class AccessSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "access_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e77", "kind": "support_view",
                "title": "We saw your account as your app shows it", "by": "staff", "role": "Support",
                "agent": "S-4K7Q2M", "reason": "You asked us to look.", "ip": None, "at": "2026-03-01T09:00:00Z",
                "until": "2026-03-01T09:04:12Z",
            }
        ]
    }  # fmt: skip

    access_id = serializers.UUIDField(source="id")
    kind = serializers.CharField(
        help_text=f"{', '.join(f'`{kind}`' for kind in TITLES)}: for programs; new ones may come"
    )
    title = serializers.CharField(help_text="the kind in words")
    by = serializers.ChoiceField(choices=["customer", "staff", "unknown"])
    role = serializers.CharField(allow_null=True, help_text="of staff")
    agent = serializers.CharField(allow_null=True, help_text="by which you can name this member of staff to us")
    reason = serializers.CharField(allow_null=True)
    ip = serializers.IPAddressField(allow_null=True, help_text="where a sign-in or change came from")
    at = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="of a look; null while it goes on")


class AccessPageSerializer(serializers.Serializer):
    data = AccessSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)
