"""Wiring: settings, URLs, Celery, WSGI, and the launcher of the embedded servers. No business lives here.

Imports nothing, because the launcher (`python3 -m tekana.embedded`) starts before any package is installed.
"""
