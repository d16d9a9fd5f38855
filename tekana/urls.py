"""Every door: the customer API, the rails' callbacks, the back office, health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from core.health import healthz, readyz
from core.problems import problem_pages
from payments.pages import request_page, request_qr

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("v1/", include("transactions.api.urls")),  # first, for it is asked most
    path("v1/", include("wallets.api.urls")),
    path("v1/", include("customers.api.urls")),
    path("v1/", include("notifications.api.urls")),
    path("v1/", include("payments.api.urls")),
    path("v1/", include("recalls.api.urls")),
    path("v1/", include("schedules.api.urls")),
    path("v1/", include("payouts.api.urls")),
    path("v1/", include("viewings.api.urls")),
    path("v1/", include("statements.api.urls")),
    path("pay/<str:code>", request_page),
    path("pay/<str:code>/", request_page),  # as some apps send links on
    path("pay/<str:code>/qr.svg", request_qr),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),  # no inline script: the CSP
    path("api/docs/", RedirectView.as_view(pattern_name="docs")),
    path("problems", problem_pages, name="problems"),
    path("problems/<slug:code>", problem_pages, name="problem"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

handler400 = "core.problems.bad_request"
handler403 = "core.problems.forbidden"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"
