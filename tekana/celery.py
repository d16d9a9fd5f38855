"""Celery rings the bell; rows in PostgreSQL are the queue. Tasks take ids, may run twice, are swept up when lost."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")

app = Celery("tekana")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
