from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps  # the class itself would count as a second config of this app


class StaffConfig(AppConfig):
    name = "staff"
    default = True
    default_auto_field = "django.db.models.BigAutoField"


class BackOfficeConfig(admin_apps.AdminConfig):
    """Django's admin with our site in place of its own."""

    default = False
    default_site = "staff.site.StaffSite"
