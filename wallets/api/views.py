"""The doors to wallets. Sign-up is here too: a customer is born with a wallet, and `customers` knows of none."""

from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import page_body, read_page
from customers import errors as customer_errors
from customers.api.serializers import EmptySerializer, RegistrationSerializer
from customers.api.views import me, read_body
from customers.authentication import caller
from customers.permissions import LiveSession
from wallets import errors, selectors, services
from wallets.api import serializers as s


class RegisterView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_fails_closed = True  # it answers whether a number is taken
    problems = [
        customer_errors.AlreadyRegistered, customer_errors.CountryNotOpen, customer_errors.WeakPassword,
        customer_errors.TooManyAttempts, customer_errors.SignInUnavailable,
    ]  # fmt: skip

    @extend_schema(operation_id="register", request=RegistrationSerializer, responses={201: s.SignedUpSerializer})
    def post(self, request: Request) -> Response:
        """Sign up: makes you, a wallet in your country's currency, and your first session."""
        body = read_body(request, RegistrationSerializer)
        customer, wallet, tokens = services.sign_up(user_agent=request.headers.get("User-Agent", ""), **body)
        signed_up = {"customer": customer, "wallet": wallet, **tokens._asdict()}
        return Response(s.SignedUpSerializer(signed_up).data, status=201)


class WalletsView(APIView):
    permission_classes = [LiveSession]
    problems = {"POST": [errors.WalletExists]}

    @extend_schema(operation_id="list_wallets", parameters=[s.WalletQuery], responses=s.WalletPageSerializer)
    def get(self, request: Request) -> Response:
        """Your wallets, oldest first; closed ones too."""
        page = read_page(request, s.WalletQuery)
        wallets = selectors.wallets_of(caller(request).id)
        if page.after:
            wallets = wallets.filter(id__gt=page.after[0])
        return Response(
            page_body(
                list(wallets[: page.limit + 1]),
                page.limit,
                key=lambda wallet: [wallet.id],
                shown=lambda wallet: s.WalletSerializer(wallet).data,
            )
        )

    @extend_schema(operation_id="open_wallet", request=s.OpenWalletSerializer, responses={201: s.WalletSerializer})
    def post(self, request: Request) -> Response:
        """Open a wallet: one per currency at a time."""
        body = read_body(request, s.OpenWalletSerializer)
        wallet = services.open_wallet(me(request), body["currency"], actor=caller(request))
        return Response(s.WalletSerializer(wallet).data, status=201)


class WalletView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.WalletNotFound]

    @extend_schema(operation_id="read_wallet", responses=s.WalletSerializer)
    def get(self, request: Request, wallet_id: UUID) -> Response:
        """One of your wallets."""
        return Response(s.WalletSerializer(selectors.wallet_of(caller(request).id, wallet_id)).data)


class BalanceView(APIView):
    permission_classes = [IsAuthenticated]  # the selector looks at the session in the statement that reads the balance
    problems = [errors.WalletNotFound, errors.InstantNotReached]

    @extend_schema(operation_id="read_balance", parameters=[s.BalanceQuery], responses=s.BalanceSerializer)
    def get(self, request: Request, wallet_id: UUID) -> HttpResponse:
        """What the wallet holds, now or as of a past instant."""
        at = None
        if request.query_params:
            query = s.BalanceQuery(data=request.query_params.dict())
            query.is_valid(raise_exception=True)
            at = query.validated_data.get("at")
        asking = caller(request)
        balance = selectors.balance_for(asking.id, asking.session_id, wallet_id, at)
        return HttpResponse(msgspec.json.encode(s.balance_body(balance)), content_type="application/json")

    head = get  # or Django makes one for each view, and with it a knot for the garbage collector


class CloseWalletView(APIView):
    permission_classes = [LiveSession]
    problems = [
        errors.WalletNotFound, errors.WalletNotEmpty, errors.WalletPromised, errors.WalletFrozen, errors.WalletClosed,
    ]  # fmt: skip

    @extend_schema(operation_id="close_wallet", request=EmptySerializer, responses=s.WalletSerializer)
    def post(self, request: Request, wallet_id: UUID) -> Response:
        """Close an empty wallet for good. Its history stays readable."""
        read_body(request, EmptySerializer)
        wallet = services.close_wallet(selectors.wallet_of(caller(request).id, wallet_id), actor=caller(request))
        return Response(s.WalletSerializer(wallet).data)
