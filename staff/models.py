"""Staff users. Their rights follow from the role (`roles.py`); no groups, no permission rows, no superusers."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

from staff.roles import PERMISSIONS, Role


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str, role: str, **fields: Any) -> "User":
        user = self.model(username=self.model.normalize_username(username), role=Role(role), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    username = models.CharField(max_length=60, unique=True)
    full_name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=20, choices=Role)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["full_name", "role"]
    is_staff = True  # whoever has such a row works here
    is_superuser = False  # nobody is above the roles

    objects = UserManager()

    class Meta:
        verbose_name = "member of staff"
        verbose_name_plural = "staff"

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return str(self)

    @property
    def principal(self) -> str:
        return f"staff:{self.pk}"

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return self.is_active and permission in PERMISSIONS[self.role]

    def has_perms(self, permissions: list[str], obj: Any = None) -> bool:
        return all(self.has_perm(p, obj) for p in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and any(p.startswith(f"{app_label}.") for p in PERMISSIONS[self.role])
