"""Telling customers what happened: in-app rows, and deliveries of them by e-mail."""
