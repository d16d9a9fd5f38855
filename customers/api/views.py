"""The customer's own account: signing in and out, profile, password, sessions, limits."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import page_body, read_page
from core.serializers import StrictSerializer
from customers import errors, selectors, services, tokens
from customers.api import serializers as s
from customers.authentication import caller
from customers.models import Customer
from customers.permissions import LiveSession


def read_body(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """The validated body. Raises: DRF's ValidationError, a 400 that names the fields."""
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


class LoginView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_fails_closed = True
    problems = [
        errors.InvalidCredentials, errors.CustomerSuspended, errors.TooManyAttempts, errors.SignInUnavailable,
    ]  # fmt: skip

    @extend_schema(operation_id="login", request=s.LoginSerializer, responses={200: s.TokensSerializer})
    def post(self, request: Request) -> Response:
        """Sign in by phone number or e-mail address."""
        body = read_body(request, s.LoginSerializer)
        signed_in = services.sign_in(
            body["username"], body["password"], user_agent=request.headers.get("User-Agent", "")
        )
        return Response(signed_in._asdict())


class RefreshView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    problems = [errors.InvalidRefreshToken, errors.RefreshTokenReused, errors.CustomerSuspended]

    @extend_schema(operation_id="refresh", request=s.RefreshSerializer, responses={200: s.TokensSerializer})
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, which is good once, for new tokens."""
        body = read_body(request, s.RefreshSerializer)
        return Response(tokens.refresh(body["refresh_token"])._asdict())


class LogoutView(APIView):
    permission_classes = [IsAuthenticated]  # ending what has ended already is no error

    @extend_schema(operation_id="logout", request=s.EmptySerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End this session: its tokens are refused from the next request on."""
        read_body(request, s.EmptySerializer)
        asking = caller(request)
        services.sign_out(asking.id, asking.session_id)
        return Response(status=204)


class MeView(APIView):
    permission_classes = [LiveSession]
    problems = {
        "PATCH": [
            errors.PasswordNeeded, errors.WrongPassword, errors.BusinessStaysOne, errors.AlreadyRegistered,
            errors.TooManyAttempts, errors.SignInUnavailable,
        ]
    }  # fmt: skip

    @extend_schema(operation_id="read_profile", responses=s.CustomerSerializer)
    def get(self, request: Request) -> Response:
        """Your profile."""
        return Response(s.CustomerSerializer(me(request)).data)

    @extend_schema(operation_id="update_profile", request=s.ProfileChangeSerializer, responses=s.CustomerSerializer)
    def patch(self, request: Request) -> Response:
        """Change what is sent. A new phone number or e-mail address takes `current_password` too."""
        changes = read_body(request, s.ProfileChangeSerializer)
        password = changes.pop("current_password", None)
        customer = services.update_profile(caller(request).id, changes, current_password=password)
        return Response(s.CustomerSerializer(customer).data)


class PasswordView(APIView):
    permission_classes = [LiveSession]
    throttle_fails_closed = True
    problems = [errors.WrongPassword, errors.WeakPassword, errors.TooManyAttempts, errors.SignInUnavailable]

    @extend_schema(operation_id="change_password", request=s.PasswordChangeSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Choose a new password; every other session ends."""
        body = read_body(request, s.PasswordChangeSerializer)
        asking = caller(request)
        services.change_password(asking.id, session_id=asking.session_id, **body)
        return Response(status=204)


class SessionsView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_sessions", parameters=[s.SessionQuery], responses=s.SessionPageSerializer)
    def get(self, request: Request) -> Response:
        """Where you are signed in, newest first."""
        page = read_page(request, s.SessionQuery)
        asking = caller(request)
        sessions = selectors.live_sessions(asking.id)
        if page.after:
            sessions = sessions.filter(id__lt=page.after[0])
        context = {"session_id": asking.session_id}
        return Response(
            page_body(
                list(sessions[: page.limit + 1]),
                page.limit,
                key=lambda session: [session.id],
                shown=lambda session: s.SessionSerializer(session, context=context).data,
            )
        )


class SessionView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.SessionNotFound]

    @extend_schema(operation_id="end_session", responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        """Sign out there."""
        services.end_session(caller(request).id, session_id)
        return Response(status=204)


class LimitsView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_limits", responses=s.AllLimitsSerializer)
    def get(self, request: Request) -> Response:
        """What your KYC tier allows today, for each currency."""
        customer = me(request)
        today = timezone.now().astimezone(ZoneInfo(customer.country.timezone)).date()
        limits = s.LimitsSerializer(selectors.all_limits(customer, on=today), many=True)
        return Response({"tier": customer.tier, "data": limits.data})


def me(request: Request) -> Customer:
    return Customer.objects.select_related("country").get(pk=caller(request).id)
