"""Figures and files for finance: the dashboard's numbers, and exports of whole lists."""
