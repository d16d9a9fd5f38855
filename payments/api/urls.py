from django.urls import path

from payments.api import views

urlpatterns = [
    path("payments", views.PaymentsView.as_view()),
    path("payments/preview", views.PaymentPreviewView.as_view()),
    path("payments/<uuid:payment_id>/refunds", views.RefundsView.as_view()),
    path("payment-requests", views.PaymentRequestsView.as_view()),
    path("payment-requests/<slug:code>", views.PaymentRequestView.as_view()),
    path("payment-requests/<slug:code>/pay", views.PayView.as_view()),
    path("payment-requests/<slug:code>/cancel", views.CancelView.as_view()),
    path("payment-requests/<slug:code>/payments", views.UsesView.as_view()),
    path("payment-requests/<slug:code>/payments/<uuid:payment_id>/confirm", views.ConfirmView.as_view()),
    path("payment-requests/<slug:code>/payments/<uuid:payment_id>/reject", views.RejectView.as_view()),
    path("payment-requests/<slug:code>/qr.svg", views.QrView.as_view()),
]
