from django.urls import URLPattern

from customers.api import schema  # noqa: F401  (tells drf-spectacular of the bearer token)

urlpatterns: list[URLPattern] = []
