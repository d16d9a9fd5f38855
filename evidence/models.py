"""Blocks of the chain, and what is known of them outside. The rows they seal are other apps'."""

from typing import Any

from django.db import models
from django.db.models import Q

from core.ids import uuid7
from core.models import AppendOnly
from evidence.hashing import Header, instant, microseconds


class Form(AppendOnly):
    """Which tables and columns were sealed, and how; a new one whenever that changes. Its id is its own SHA-256."""

    id = models.CharField(max_length=64, primary_key=True)
    tables = models.JSONField(help_text="of each table: name, how its rows are found, key column, columns")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.id[:12]


class Block(AppendOnly):
    """At most a thousand rows and the hash of the block before: `hashing.py` says of what.

    It has the rows of every table that are dated after ``after_at`` and until ``until_at``; the next goes on there. A
    block with ``again`` seals such a time once more, for a person let rows in that came late.
    """

    id = models.BigIntegerField(primary_key=True, help_text="number of the block, from 1, without gaps")
    sealed_at = models.DateTimeField(help_text="by the database's clock")
    after_at = models.DateTimeField()
    until_at = models.DateTimeField()
    form = models.ForeignKey(Form, models.PROTECT, related_name="+")
    rows = models.IntegerField()
    counts = models.JSONField(help_text="rows by table")
    again = models.CharField(max_length=500, blank=True, help_text="who let late rows in, and why")
    root = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    leaves = models.BinaryField(help_text="of each row: table, key, SHA-256, a hint for each column")
    versions = models.JSONField(null=True, blank=True, help_text="of small tables: table and row, as it came to be")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["until_at"], condition=Q(again=""), name="block_by_time"),
            models.Index(fields=["after_at"], condition=~Q(again=""), name="block_again"),
            models.Index(fields=["id"], condition=Q(versions__isnull=False), name="block_with_versions"),
        ]

    def __str__(self) -> str:
        return f"block {self.pk}"

    @property
    def header(self) -> Header:
        """Of what it says; its ``hash`` is to be compared with the one that is kept."""
        return Header(
            self.pk, bytes(self.previous).hex(), bytes(self.root).hex(), self.form_id, microseconds(self.after_at),
            microseconds(self.until_at), self.again, self.counts, microseconds(self.sealed_at),
        )  # fmt: skip

    @classmethod
    def of(cls, header: Header, **more: Any) -> "Block":
        return cls(
            id=header.number, previous=bytes.fromhex(header.previous), root=bytes.fromhex(header.root),
            form_id=header.form, after_at=instant(header.after), until_at=instant(header.until), again=header.again,
            counts=header.rows, rows=sum(header.rows.values()), sealed_at=instant(header.sealed_at), hash=header.hash,
            **more,
        )  # fmt: skip


class Mark(models.Model):
    """A moment of which it is known when it is settled: once every database transaction below ``horizon`` has ended."""

    at = models.DateTimeField()
    horizon = models.TextField(help_text="a transaction number that was taken then")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"


class Publication(AppendOnly):
    """A head that was sent out: from then on nobody can make the chain up to it anew without being found out."""

    class Sink(models.TextChoices):
        FILE = "file"
        EMAIL = "email", "e-mail"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    block = models.ForeignKey(Block, models.PROTECT, related_name="publications")
    sink = models.CharField(max_length=5, choices=Sink)
    line = models.JSONField(help_text="what was sent, with its signature")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"head {self.block_id} by {self.sink}"


class Check(AppendOnly):
    """What a verification found, once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    ok = models.BooleanField()
    scope = models.CharField(max_length=200, help_text="which blocks")
    blocks = models.BigIntegerField()
    rows = models.BigIntegerField()
    head = models.BigIntegerField(help_text="number of the last block at the time")
    findings = models.JSONField(help_text="of each fault: block, table, key, what is wrong")
    milliseconds = models.BigIntegerField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {'verified' if self.ok else 'broken'}"
