from django.urls import path

from schedules.api import views

urlpatterns = [
    path("standing-orders", views.StandingOrdersView.as_view()),
    path("standing-orders/preview", views.StandingOrderPreviewView.as_view()),
    path("standing-orders/<uuid:order_id>", views.StandingOrderView.as_view()),
    path("standing-orders/<uuid:order_id>/pause", views.PauseView.as_view()),
    path("standing-orders/<uuid:order_id>/resume", views.ResumeView.as_view()),
    path("standing-orders/<uuid:order_id>/skip", views.SkipView.as_view()),
    path("standing-orders/<uuid:order_id>/cancel", views.CancelView.as_view()),
    path("standing-orders/<uuid:order_id>/runs", views.RunsView.as_view()),
]
