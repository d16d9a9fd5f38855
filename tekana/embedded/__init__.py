"""The launcher: PostgreSQL, Valkey and Tekana itself on one machine, from nothing but python3, make and pip.

It owns `.venv` and `var/`, and every process it starts. It knows nothing of Django: it runs
`manage.py` as anyone would.
"""
