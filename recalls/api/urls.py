from django.urls import path

from recalls.api import views

urlpatterns = [
    path("recalls", views.RecallsView.as_view()),
    path("recalls/<uuid:recall_id>", views.RecallView.as_view()),
    path("recalls/<uuid:recall_id>/consent", views.ConsentView.as_view()),
    path("recalls/<uuid:recall_id>/refuse", views.RefuseView.as_view()),
]
