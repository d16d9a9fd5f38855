"""The door for rails. The signature over the raw bytes is the credential; there is no other."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from transactions.services import rail_messages


class RailCallbackView(APIView):
    """``POST /v1/rails/<rail>/callbacks``: 200 once the message is kept, the second time too; 401 for a forged one."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []  # a bank that has much to say is heard

    @extend_schema(exclude=True)
    def post(self, request: Request, rail: str) -> Response:
        rail_messages.receive(rail, request.headers, request.body)
        return Response({"status": "received"})
