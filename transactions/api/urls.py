from django.urls import path

from transactions.api import fees, fx, holds, views
from transactions.api.callbacks import RailCallbackView

urlpatterns = [
    path("transfers", views.TransfersView.as_view()),
    path("transfers/preview", views.TransferPreviewView.as_view()),
    path("holds", holds.HoldsView.as_view()),
    path("holds/preview", holds.HoldPreviewView.as_view()),
    path("holds/<uuid:hold_id>", holds.HoldView.as_view()),
    path("holds/<uuid:hold_id>/capture", holds.CaptureView.as_view()),
    path("holds/<uuid:hold_id>/void", holds.VoidView.as_view()),
    path("transactions/<uuid:transaction_id>", views.TransactionView.as_view()),
    path("wallets/<uuid:wallet_id>/deposit", views.DepositView.as_view()),
    path("wallets/<uuid:wallet_id>/withdraw", views.WithdrawView.as_view()),
    path("wallets/<uuid:wallet_id>/deposit/preview", fees.DepositPreviewView.as_view()),
    path("wallets/<uuid:wallet_id>/withdraw/preview", fees.WithdrawPreviewView.as_view()),
    path("fees", fees.FeesView.as_view()),
    path("wallets/<uuid:wallet_id>/transactions", views.HistoryView.as_view()),
    path("wallets/<uuid:wallet_id>/limits", views.WalletLimitsView.as_view()),
    path("fx/rates", fx.RatesView.as_view()),
    path("fx/quotes", fx.QuotesView.as_view()),
    path("fx/quotes/<uuid:quote_id>", fx.QuoteView.as_view()),
    path("fx/convert", fx.ConvertView.as_view()),
    path("rails/<slug:rail>/callbacks", RailCallbackView.as_view(), name="rail-callback"),
]
