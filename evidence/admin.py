"""The chain as staff look at it: its blocks, how far sealing is, what checks found; and a transaction's place in it."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import IntegerField, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    link,
    moment,
    panel,
)
from core.admin.pages import NOTHING, list_url, may
from core.days import end_of, midnight
from evidence import selectors, signing
from evidence.models import Block, Check
from transactions.models import Transaction

LATE, VERY_LATE = timedelta(minutes=5), timedelta(minutes=30)
CHECK_HOLDS = timedelta(hours=26)  # it is made daily
SHOWN = 100
ON_DASHBOARD = 10


class SealedBetween(MadeBetween):
    """From one day to another, both included, in UTC: the times that blocks seal, the first time."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = (self.form.cleaned_data.get(name) for name in ("from", "to"))
        if first:
            queryset = queryset.filter(again="", until_at__gte=midnight(first))
        if last:
            queryset = queryset.filter(again="", until_at__lt=end_of(last))
        return queryset


class AgainFilter(choice_filter("again", "late rows", [("yes", "let in")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.exclude(again="") if self.value() == "yes" else queryset


@admin.register(Block)
class BlockAdmin(StaffAdmin):
    list_display = ["number", "sealed_at", "rows_until", "rows_shown", "hash_shown", "published"]
    list_filter = [SealedBetween, AgainFilter]
    ordering = ["-pk"]
    search_fields = ["pk"]
    search_help_text = "The number of a block"
    list_before_template = "admin/evidence/sealing.html"
    page_select_related = ("form",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"sealing": sealing_panel(request), **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        sent_out = Value(selectors.published_number(), output_field=IntegerField())
        return super().get_queryset(request).defer("leaves").annotate(sent_out=sent_out)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip().replace(",", "")
        if not asked:
            return queryset, False
        return queryset.filter(pk=int(asked)) if asked.isdecimal() and len(asked) < 19 else queryset.none(), False

    @display(description="Block")
    def number(self, block: Block) -> str:
        return f"{block.pk:,}"

    @display(description="With what happened until")
    def rows_until(self, block: Block) -> Any:
        return moment(block.until_at)

    @display(description="Rows")
    def rows_shown(self, block: Block) -> str:
        return f"{block.rows:,}"

    @display(description="Hash")
    def hash_shown(self, block: Block) -> Any:
        return format_html("<code>{}…</code>", bytes(block.hash).hex()[:16])

    @display(description="Head")
    def published(self, block: Any) -> Any:
        return badge("published", "good") if block.pk <= block.sent_out else badge("not yet", "busy")

    def name_of(self, block: Block) -> str:
        return f"Block {block.pk:,}"

    def header(self, request: HttpRequest, block: Block) -> Header:
        return Header(
            title=self.name_of(block),
            badge=self.published(block),
            lines=[code(bytes(block.hash).hex())],
            figures=[("Rows", f"{block.rows:,}")],
            notice=f"Seals once more what came late. {block.again}" if block.again else "",
        )

    def panels(self, request: HttpRequest, block: Block) -> list[Panel]:
        facts = Facts(
            title="Block",
            side=True,
            rows=[
                ("Sealed", moment(block.sealed_at)),
                ("Rows dated after", moment(block.after_at) if block.after_at.year > 1970 else "the beginning"),
                ("and until", moment(block.until_at)),
                ("Root", code(bytes(block.root).hex())),
                (
                    "Block before",
                    link(request, "evidence.block", block.pk - 1 or None, bytes(block.previous).hex()[:16]),
                ),
                ("Columns sealed", code(block.form_id[:16])),
                ("To verify it", code(f"manage.py verify_chain --from {block.pk} --to {block.pk}")),
            ],
        )
        counts = Table(
            title="What it seals",
            columns=["Table", "Rows"],
            numeric=["Rows"],
            rows=[(table, f"{count:,}") for table, count in sorted(block.counts.items())],
            empty="Only that nothing happened.",
        )
        return [counts, *([versions_table(block)] if block.versions else []), facts]


def versions_table(block: Block) -> Table:
    """Rows of small tables as they came to be."""
    versions, rows = block.versions or [], []
    for number, fields in versions[:SHOWN]:
        table, _, _, columns = block.form.tables[number]
        said = ", ".join(f"{column}: {NOTHING if text is None else text}" for column, text in zip(columns, fields))
        rows.append((table, said))
    more = f", the first {SHOWN} of {len(versions):,}" if len(versions) > SHOWN else ""
    return Table(title=f"Configuration as it came to be{more}", columns=["Table", "Row"], rows=rows)


def sealing_panel(request: HttpRequest) -> Facts:
    """How far the sealer is, what was sent out, and what the last check found."""
    state = selectors.sealing()
    sent = state.published
    return Facts(
        title="Sealing",
        more=("All checks", list_url("evidence.check")) if may(request, "evidence.view_check") else None,
        rows=[
            ("What this is", "What happened is sealed here, so that nobody can change it and not be found out."),
            (
                "Head",
                link(request, "evidence.block", state.head.pk, f"block {state.head.pk:,}") if state.head else NOTHING,
            ),
            ("Everything is sealed but the last", lag_badge(state.lag)),
            (
                "Head published",
                format_html("block {}, {}", f"{sent.block_id:,}", moment(sent.at)) if sent else "not yet",
            ),
            ("Last check", verdict(selectors.last_check())),
            ("Public key of heads", code(signing.public_key())),
        ],
    )


def lag_badge(lag: timedelta | None) -> Any:
    if lag is None:
        return badge("not begun", "odd")
    minutes, seconds = divmod(int(lag.total_seconds()), 60)
    text = f"{minutes:,} min {seconds} s" if minutes else f"{seconds} s"
    return badge(text, "good" if lag < LATE else "odd" if lag < VERY_LATE else "bad")


def verdict(check: Check | None) -> Any:
    """Of a check, and whether it is of today."""
    if check is None:
        return badge("not checked yet", "odd")
    stale = now() - check.at > CHECK_HOLDS
    shown = (
        badge("broken", "bad") if not check.ok else badge("old" if stale else "verified", "odd" if stale else "good")
    )
    return format_html("{} {}", shown, moment(check.at))


@admin.register(Check)
class CheckAdmin(StaffAdmin):
    list_display = ["at", "result", "scope", "blocks_shown", "rows_shown", "took"]
    list_filter = [MadeBetween, choice_filter("ok", "result", [("True", "verified"), ("False", "broken")])]
    ordering = ["-pk"]

    @display(description="Result")
    def result(self, check: Check) -> Any:
        return badge("verified", "good") if check.ok else badge(f"{len(check.findings):,} faults", "bad")

    @display(description="Blocks")
    def blocks_shown(self, check: Check) -> str:
        return f"{check.blocks:,}"

    @display(description="Rows")
    def rows_shown(self, check: Check) -> str:
        return f"{check.rows:,}"

    @display(description="Took")
    def took(self, check: Check) -> str:
        return f"{check.milliseconds // 1000:,} s" if check.milliseconds >= 1000 else f"{check.milliseconds} ms"

    def name_of(self, check: Check) -> str:
        return f"Check of {check.at:%-d %b %Y %H:%M}"

    def header(self, request: HttpRequest, check: Check) -> Header:
        return Header(
            title=self.name_of(check),
            badge=self.result(check),
            lines=[check.scope],
            figures=[
                ("Blocks", self.blocks_shown(check)),
                ("Rows", self.rows_shown(check)),
                ("Took", self.took(check)),
            ],
            notice="" if check.ok else "Change nothing. Export the chain, and call whoever answers for the database.",
        )

    def panels(self, request: HttpRequest, check: Check) -> list[Panel]:
        more = f", the first {SHOWN} of {len(check.findings):,}" if len(check.findings) > SHOWN else ""
        return [
            Table(
                title=f"Faults{more}",
                columns=["Block", "Table", "Row", "What is wrong"],
                rows=[(number or NOTHING, table, key, wrong) for number, table, key, wrong in faults_of(check, SHOWN)],
                empty="None: every row is as it was sealed.",
            )
        ]


def faults_of(check: Check, most: int) -> list[tuple[int, str, str, str]]:
    return [(one["block"], one["table"], one["key"], one["wrong"]) for one in check.findings[:most]]


@panel("transactions.transaction", order=85, permission="evidence.view_block")
def seal_of(request: HttpRequest, transaction: Transaction) -> Panel:
    """Where a transaction is sealed. What became of it afterwards is in later blocks."""
    block = selectors.block_at(transaction.pk.bytes)
    if block is None:
        return Facts(title="Seal", side=True, rows=[("Sealed", "not yet: about two minutes after it happened")])
    head = selectors.first_published(block.pk)
    return Facts(
        title="Seal",
        side=True,
        rows=[
            ("Sealed in", link(request, "evidence.block", block.pk, f"block {block.pk:,}")),
            ("At", moment(block.sealed_at)),
            ("Head", code(bytes(block.hash).hex()[:16])),
            ("Published", moment(head.at) if head else "with the next head"),
            ("To prove it", code(f"manage.py prove_sealed {transaction.receipt}")),
        ],
    )


def dashboard_panel() -> Part:
    """When the chain was last checked, and what that found."""
    check, state = selectors.last_check(), selectors.sealing()
    context = {
        "verdict": verdict(check),
        "check": check,
        "lag": lag_badge(state.lag) if state.lag is not None else "",
        "faults": faults_of(check, ON_DASHBOARD) if check else [],
        "more": max(len(check.findings) - ON_DASHBOARD, 0) if check else 0,
    }
    more = ("Seals", list_url("evidence.block"))
    return Part(title="Hash chain", template="admin/evidence/chain.html", context=context, more=more)
