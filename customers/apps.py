from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CustomersConfig(AppConfig):
    name = "customers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if len(settings.JWT_KEY) < 32:
            raise ImproperlyConfigured("JWT_KEY must have at least 32 characters: it signs every customer's token.")
