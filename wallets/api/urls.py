from django.urls import path

from wallets.api import views

urlpatterns = [
    path("auth/register", views.RegisterView.as_view()),
    path("wallets", views.WalletsView.as_view()),
    path("wallets/<uuid:wallet_id>", views.WalletView.as_view()),
    path("wallets/<uuid:wallet_id>/balance", views.BalanceView.as_view()),
    path("wallets/<uuid:wallet_id>/close", views.CloseWalletView.as_view()),
]
