"""Loads Celery's app together with Django, so that every task, also one only enqueued, belongs to it."""

from django.apps import AppConfig

from tekana.celery import app as celery_app

__all__ = ["TekanaConfig", "celery_app"]


class TekanaConfig(AppConfig):
    name = "tekana"
