"""What customers were told, and whether it reached them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from core import contacts
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    panel,
)
from notifications.models import Delivery, Notification

TONES = {Delivery.State.PENDING: "busy", Delivery.State.SENT: "good", Delivery.State.FAILED: "bad"}
SHOWN = 10


def delivery_badge(delivery: Delivery) -> Any:
    return badge(f"{delivery.channel} {delivery.state}", TONES[Delivery.State(delivery.state)])


class DeliveryState(choice_filter("deliveries__state", "delivery", Delivery.State.choices)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        return queryset.filter(pk__in=Delivery.objects.filter(state=self.value()).values("notification_id"))


@admin.register(Notification)
class NotificationAdmin(StaffAdmin):
    list_display = ["title_shown", "kind", "customer", "created_at", "read_at"]
    list_select_related = ["customer"]
    list_filter = [DeliveryState, MadeBetween]
    page_select_related = ("customer",)

    @display(description="Title")
    def title_shown(self, notification: Notification) -> str:
        return contacts.masked_text(notification.title)

    def whose(self, notification: Notification) -> list[Any]:
        return [notification.customer_id]

    def name_of(self, notification: Notification) -> str:
        return contacts.masked_text(notification.title)

    def header(self, request: HttpRequest, notification: Notification) -> Header:
        title, body = (masking.words(request, text) for text in (notification.title, notification.body))
        return Header(title=title, lines=[body])

    def panels(self, request: HttpRequest, notification: Notification) -> list[Panel]:
        facts = Facts(
            title="Notification",
            rows=[
                ("To", link(request, "customers.customer", notification.customer_id, notification.customer.full_name)),
                ("Kind", notification.kind),
                ("About", link(request, "transactions.transaction", notification.transaction, "the transaction")),
                ("Written", moment(notification.created_at)),
                ("Read", moment(notification.read_at)),
                ("Id", code(notification.id)),
            ],
        )
        deliveries = Table(
            title="Deliveries",
            columns=["Channel", "Attempts", "Sent", "Next attempt", "Error"],
            rows=[
                (
                    delivery_badge(one),
                    one.attempts,
                    moment(one.sent_at),
                    moment(one.due_at if one.state == Delivery.State.PENDING else None),
                    masking.words(request, one.error),
                )
                for one in notification.deliveries.all()
            ],
            empty="In the app only.",
        )
        return [facts, deliveries]


@panel("customers.customer", order=60, permission="notifications.view_notification")
def notifications_of(request: HttpRequest, customer: Any) -> Panel:
    told = customer.notifications.prefetch_related("deliveries").order_by("-id")[:SHOWN]
    return Table(
        title="Notifications",
        columns=["When", "What", "Read", "Delivery"],
        rows=[
            (
                moment(one.created_at),
                link(request, "notifications.notification", one.pk, masking.words(request, one.title)),
                moment(one.read_at),
                delivery_badge(delivery) if (delivery := next(iter(one.deliveries.all()), None)) else "in the app",
            )
            for one in told
        ],
        empty="Told nothing yet.",
    )
