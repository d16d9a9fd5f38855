from django.urls import path

from transactions.api import views
from transactions.api.callbacks import RailCallbackView

urlpatterns = [
    path("transfers", views.TransfersView.as_view()),
    path("transfers/preview", views.TransferPreviewView.as_view()),
    path("transactions/<uuid:transaction_id>", views.TransactionView.as_view()),
    path("wallets/<uuid:wallet_id>/deposit", views.DepositView.as_view()),
    path("wallets/<uuid:wallet_id>/withdraw", views.WithdrawView.as_view()),
    path("wallets/<uuid:wallet_id>/transactions", views.HistoryView.as_view()),
    path("wallets/<uuid:wallet_id>/limits", views.WalletLimitsView.as_view()),
    path("rails/<slug:rail>/callbacks", RailCallbackView.as_view(), name="rail-callback"),
]
