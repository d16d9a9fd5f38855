"""Celery rings the bell; rows in PostgreSQL are the queue. Tasks take ids, may run twice, are swept up when lost."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings
from django.utils.log import configure_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")

app = Celery("tekana")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_the_web_does(**_: Any) -> None:
    """Instead of Celery's own formats and levels: one JSON line each, from worker, its processes and beat."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
