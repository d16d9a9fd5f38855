from django.urls import path

from payouts.api import views

urlpatterns = [
    path("payouts", views.PayoutsView.as_view()),
    path("payouts/<uuid:payout_id>", views.PayoutView.as_view()),
    path("payouts/<uuid:payout_id>/items", views.PayoutItemsView.as_view()),
    path("payouts/<uuid:payout_id>/results", views.PayoutResultsView.as_view()),
    path("payouts/<uuid:payout_id>/approve", views.PayoutApproveView.as_view()),
    path("payouts/<uuid:payout_id>/cancel", views.PayoutCancelView.as_view()),
    path("payouts/<uuid:payout_id>/retry", views.PayoutRetryView.as_view()),
    path("payouts/approvers", views.ApproversView.as_view()),
    path("payouts/approvers/<uuid:approver_id>/accept", views.ApproverAcceptView.as_view()),
    path("payouts/approvers/<uuid:approver_id>/end", views.ApproverEndView.as_view()),
    path("payouts/alone-limit", views.AloneLimitView.as_view()),
]
