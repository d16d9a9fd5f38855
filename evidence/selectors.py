"""Questions to the chain. The rows themselves are read by `coverage.py`."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Max, QuerySet
from django.utils import timezone

from evidence.hashing import Leaf, encode, hash_row, instant, time_of_id, unpacked, version_key, widths
from evidence.models import Block, Check, Form, Mark, Publication


class Sealing(NamedTuple):
    """How far sealing and publishing are; each is None before the first time. ``lag``: what is older is sealed."""

    head: Block | None
    lag: timedelta | None
    published: Publication | None


def without_leaves() -> QuerySet[Block]:
    """The leaves are some 60 bytes a row; only who compares rows needs them."""
    return Block.objects.defer("leaves", "versions")


def head() -> Block | None:
    """The last block; None before the first."""
    return without_leaves().order_by("-pk").first()


def sealed_until() -> datetime | None:
    """Everything dated up to then is sealed."""
    return Block.objects.filter(again="").order_by("-pk").values_list("until_at", flat=True).first()


def sealing() -> Sealing:
    """A constant number of statements."""
    oldest = Mark.objects.order_by("at").values_list("at", flat=True).first()
    trail = timedelta(seconds=settings.EVIDENCE_TRAIL_SECONDS)
    published = Publication.objects.filter(sink=Publication.Sink.FILE).order_by("-pk").first()
    return Sealing(head(), timezone.now() - oldest + trail if oldest else None, published)


def published_number() -> int:
    """Number of the last block whose head was sent out, which stands for all before it; 0 before the first."""
    return Publication.objects.aggregate(last=Max("block_id"))["last"] or 0


def first_published(number: int) -> Publication | None:
    """The first head that was sent out and vouches for this block."""
    return Publication.objects.filter(block_id__gte=number).order_by("block_id", "pk").first()


def last_check() -> Check | None:
    return Check.objects.first()


def block_at(place: bytes) -> Block | None:
    """The block that seals what is dated by these 16 bytes of an id; None while it waits. Two look-ups in indexes."""
    at = instant(max(time_of_id(place), 0))
    again = without_leaves().exclude(again="").filter(after_at__lt=at, until_at__gte=at).order_by("-pk").first()
    first = without_leaves().filter(again="", until_at__gte=at).order_by("until_at", "pk").first()
    return again or first


# --- Inside a block ------------------------------------------------------------------------------------------------


def leaves_of(block: Block, form: Form) -> list[Leaf]:
    """Its rows, in order. Raises: ValueError when they are not even leaves."""
    return unpacked(bytes(block.leaves), widths(form.tables))


def versions_of(block: Block, form: Form) -> list[tuple[int, bytes]]:
    """Rows of small tables as they came to be: position of the table and encoded row."""
    return [(table, encode([form.tables[table][0], *fields])) for table, fields in block.versions or []]


def tree_of(block: Block, form: Form) -> list[bytes]:
    """The hashes at the bottom of its tree."""
    return [leaf.hash for leaf in leaves_of(block, form)] + [hash_row(data) for _, data in versions_of(block, form)]


class Version(NamedTuple):
    """A row of a small table as a block sealed it."""

    block: int
    sealed_at: datetime
    form: str
    table: int
    data: bytes


def versions(after: int = 0) -> dict[tuple[str, str], list[Version]]:
    """Of every row of small tables, by table and key, its versions in order, as blocks after that one sealed them."""
    forms = {form.pk: form for form in Form.objects.all()}
    found: dict[tuple[str, str], list[Version]] = {}
    for block in Block.objects.filter(versions__isnull=False, pk__gt=after).defer("leaves").order_by("pk"):
        form = forms[block.form_id]
        for table, data in versions_of(block, form):
            version = Version(block.pk, block.sealed_at, form.pk, table, data)
            found.setdefault(version_key(form.tables[table], data), []).append(version)
    return found


_known: tuple[int, bytes, dict[tuple[str, str], bytes]] = (0, b"", {})


def known_versions() -> dict[tuple[str, str], bytes]:
    """Of every row of small tables the hash of its last sealed version. Remembered from one pass to the next."""
    global _known
    number, digest, hashes = _known
    if not Block.objects.filter(pk=number, hash=digest).exists():
        number, hashes = 0, {}  # another database, or one that was restored
    last = head()
    newer = {key: hash_row(found[-1].data) for key, found in versions(number).items()}
    _known = (last.pk, bytes(last.hash), hashes | newer) if last else (0, b"", {})
    return _known[2]
