from django.urls import path

from statements.api import views

urlpatterns = [
    path("wallets/<uuid:wallet_id>/statement", views.StatementView.as_view()),
    path("wallets/<uuid:wallet_id>/merchant-statement", views.MerchantStatementView.as_view()),
    path("wallets/<uuid:wallet_id>/statements", views.StatementsView.as_view()),
    path("wallets/<uuid:wallet_id>/statements/<int:number>", views.KeptStatementView.as_view()),
    path("wallets/<uuid:wallet_id>/statement-settings", views.StatementSettingsView.as_view()),
]
