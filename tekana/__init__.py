"""Wiring: settings, URLs, Celery, WSGI, and the launcher of the embedded servers. No business lives here."""

from tekana.celery import app as celery_app

__all__ = ["celery_app"]
