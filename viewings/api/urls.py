from django.urls import path

from viewings.api import views

urlpatterns = [path("me/accesses", views.AccessesView.as_view())]
