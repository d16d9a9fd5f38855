"""What every app needs and no app owns: money, ids, errors, audit, state transitions, database roles.

No noun of the business lives here; nothing here imports another app.
"""
