"""The refusals of this app."""

from core.errors import NotFound


class NotificationNotFound(NotFound):
    code, title = "notification_not_found", "No such notification"
    for_customer = "We could not find this message."
