"""argon2id at OWASP's minimum for interactive sign-in: 19 MiB, 2 passes, 1 lane (Django's default takes 100 MiB)."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2id(Argon2PasswordHasher):
    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1
