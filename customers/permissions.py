"""The default permission of the customer API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from customers.authentication import caller
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import Customer, CustomerState, Session

if TYPE_CHECKING:  # DRF's views read this class while they are being imported
    from rest_framework.views import APIView


class LiveSession(BasePermission):
    """The session has not ended and the customer is active: one query by primary key. Views whose work goes through
    `post` ask the same inside the posting transaction and use ``IsAuthenticated``."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        asking = caller(request)
        if asking.viewed_by:  # whoever made the request has seen to the view itself
            if not Customer.objects.filter(id=asking.id, state=CustomerState.ACTIVE).exists():
                raise CustomerSuspended()
            return True
        found = (
            Session.objects.filter(id=asking.session_id, customer_id=asking.id)
            .values_list("revoked_at", "customer__state")
            .first()
        )
        if found is not None and found[1] != CustomerState.ACTIVE:
            raise CustomerSuspended()
        if found is None or found[0] is not None:
            raise SessionEnded()
        return True
