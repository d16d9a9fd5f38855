from django.urls import path

from notifications.api import views

urlpatterns = [
    path("notifications", views.NotificationsView.as_view()),
    path("notifications/read-all", views.NotificationsReadView.as_view()),
    path("notifications/<uuid:notification_id>/read", views.NotificationReadView.as_view()),
]
