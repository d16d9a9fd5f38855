"""Who may ask, look and fetch; what is written down about it; that nothing is made by looking."""

import json
import os
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import messages
from django.db import connection
from django.db.utils import Error
from django.test import Client
from django.urls import reverse

from core.ids import uuid7
from core.models import AuditRecord
from reports import services
from reports.errors import ExportFileGone, ExportNotDone, ExportNotFound, MayNotExport, TooManyExports
from reports.lists import ENTRIES, TRANSACTIONS
from reports.models import EntryLine, Export
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.reports.conftest import World, ask, dialog, export, fetch, said

pytestmark = pytest.mark.django_db(transaction=True)


def page(made: Export) -> str:
    return reverse("admin:reports_export_change", args=[made.pk])


def download(made: Export) -> str:
    return reverse("admin:reports_export_download", args=[made.pk])


def progress(made: Export) -> str:
    return reverse("admin:reports_export_progress", args=[made.pk])


def answer_of(form: dict[str, Any]) -> dict[str, Any]:
    return {"key": str(uuid7()), "query": "", "file_format": "csv"} | form


def test_support_is_refused_everywhere_and_offered_nothing(world: World, finance: Client, support: Client) -> None:
    made, _ = export(finance)

    for url in (dialog("transactions"), dialog("entries"), page(made), download(made), progress(made)):
        assert support.get(url).status_code == 403, url
    assert support.post(dialog("transactions"), answer_of({})).status_code == 403
    assert support.get(reverse("admin:reports_export_changelist")).status_code == 403
    assert support.get(reverse("admin:reports_entryline_changelist")).status_code == 403
    listed = support.get(reverse("admin:transactions_transaction_changelist"))
    assert listed.status_code == 200 and "/reports/export/" not in listed.text
    assert Export.objects.count() == 1


def test_a_stranger_is_sent_to_sign_in(world: World, finance: Client, client: Client) -> None:
    made, _ = export(finance)

    for url in (dialog("transactions"), page(made), download(made), progress(made)):
        answer = client.get(url)
        assert answer.status_code == 302 and "/login/" in answer["Location"], url


def test_finance_sees_its_own_and_an_administrator_all(
    world: World, staff: dict[str, User], finance: Client, administrator: Client
) -> None:
    colleague = client_of(member(Role.FINANCE, "colleague"))
    made, content = export(finance)
    theirs, _ = export(colleague, query="state=failed")

    mine = finance.get(reverse("admin:reports_export_changelist")).context["cl"].queryset
    everybodys = administrator.get(reverse("admin:reports_export_changelist")).context["cl"].queryset
    assert list(mine) == [made] and set(everybodys) == {made, theirs}
    assert colleague.get(page(made)).status_code == 404
    assert colleague.get(download(made)).status_code == 404
    assert colleague.get(progress(made)).status_code == 403
    assert fetch(administrator, made.pk) == content
    with pytest.raises(ExportNotFound):
        services.open_file(made, actor=theirs.requested_by)


def test_asking_and_each_fetching_are_written_down(
    world: World, staff: dict[str, User], finance: Client, administrator: Client
) -> None:
    made, _ = export(finance, query="state=failed")
    fetch(administrator, made.pk)

    acts = AuditRecord.objects.filter(subject_type="reports.export", subject_id=str(made.pk), look=False)
    records = list(acts.order_by("id"))
    assert [(one.actor, one.action) for one in records] == [
        (staff[Role.FINANCE].principal, "request_export"),
        (staff[Role.FINANCE].principal, "download_export"),
        (staff[Role.ADMINISTRATOR].principal, "download_export"),
    ]
    assert records[0].after == {"list": "transactions", "format": "csv", "filters": {"state": "failed"}}
    assert records[1].after == {"sha256": made.sha256}


def test_looking_makes_nothing_and_a_post_needs_its_token(world: World, staff: dict[str, User]) -> None:
    strict = client_of(staff[Role.FINANCE], enforce_csrf_checks=True)

    strict.get(dialog("transactions"))
    strict.head(dialog("transactions"))
    refused = strict.post(dialog("transactions"), answer_of({}))

    assert refused.status_code == 403
    assert not Export.objects.exists()


def test_pressing_twice_makes_one(world: World, finance: Client, bells: list[Any]) -> None:
    form = answer_of({"query": "state=failed"})

    first, second = finance.post(dialog("transactions"), form), finance.post(dialog("transactions"), form)

    made = Export.objects.get()
    assert first["Location"] == second["Location"] == page(made)
    assert bells == [("reports.tasks.run_export", str(made.pk))]
    assert AuditRecord.objects.filter(action="request_export").count() == 1


def test_somebody_elses_key_gives_nothing_away(world: World, finance: Client, administrator: Client) -> None:
    made = ask(finance)

    answer = administrator.post(dialog("transactions"), answer_of({"key": str(made.pk)}))

    assert answer.status_code == 200 and "No such export" in said(answer)
    assert Export.objects.count() == 1


@pytest.mark.parametrize("form", [{"key": "1"}, {"key": ""}, {"file_format": "pdf"}, {"file_format": ""}], ids=str)
def test_a_form_that_was_tampered_with_is_refused(world: World, finance: Client, form: dict[str, str]) -> None:
    answer = finance.post(dialog("transactions"), answer_of(form))

    assert answer.status_code == 200 and answer.context["form"].errors
    assert not Export.objects.exists()


def test_only_lists_can_be_exported(staff: dict[str, User], finance: Client) -> None:
    assert finance.get(dialog("exports")).status_code == 403


def test_one_person_does_not_fill_the_queue(world: World, staff: dict[str, User], finance: Client) -> None:
    for _ in range(services.MOST_WAITING):
        ask(finance)

    answer = finance.post(dialog("transactions"), answer_of({}))

    assert "Too many exports at once" in said(answer)
    assert Export.objects.count() == services.MOST_WAITING
    with pytest.raises(TooManyExports):
        services.request_export(TRANSACTIONS, {}, file_format="csv", actor=staff[Role.FINANCE], key=uuid4())
    services.request_export(TRANSACTIONS, {}, file_format="csv", actor=staff[Role.ADMINISTRATOR], key=uuid4())


def test_the_service_asks_for_the_role_itself(staff: dict[str, User]) -> None:
    for of in (TRANSACTIONS, ENTRIES):
        with pytest.raises(MayNotExport):
            services.request_export(of, {}, file_format="csv", actor=staff[Role.SUPPORT], key=uuid4())


def test_whoever_loses_the_role_gets_no_file(world: World, staff: dict[str, User], finance: Client) -> None:
    asked, (made, _) = ask(finance, query="state=failed"), export(finance)
    User.objects.filter(pk=staff[Role.FINANCE].pk).update(role=Role.SUPPORT)

    services.run_export(asked.pk)

    asked.refresh_from_db()
    assert asked.state == "failed" and asked.error == "Your role does not export transactions."
    assert finance.get(download(made)).status_code == 403


def test_a_file_is_an_attachment_with_our_name_and_kept_by_nobody(world: World, finance: Client) -> None:
    for file_format, media_type in (
        ("csv", "text/csv; charset=utf-8"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ):
        made, content = export(finance, query="q=../../etc/passwd", file_format=file_format)

        answer = finance.get(download(made))
        assert answer["Content-Type"] == media_type
        assert answer["Content-Disposition"] == f'attachment; filename="{made.file_name}"'
        assert made.file_name == f"tekana-transactions-{made.as_of:%Y%m%d-%H%M%S}.{file_format}"
        assert answer["Content-Length"] == str(len(content)) == str(made.bytes)
        assert "no-store" in answer["Cache-Control"] and answer["X-Content-Type-Options"] == "nosniff"
        assert answer.streaming
        answer.close()
        assert finance.post(download(made)).status_code == 405


def test_files_are_for_us_alone(world: World, finance: Client, exports_dir: Path) -> None:
    old = os.umask(0)
    try:
        export(finance)
        export(finance, file_format="xlsx")
    finally:
        os.umask(old)

    assert stat.S_IMODE(exports_dir.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in exports_dir.iterdir()] == [0o600, 0o600]


def test_a_file_that_is_gone_is_said_to_be_and_can_be_made_again(
    world: World, finance: Client, exports_dir: Path
) -> None:
    made, content = export(finance)
    again = reverse("admin:reports_export_again", args=[made.pk])
    assert "Its file is here." in finance.get(again).text
    services.file_of(made).unlink()

    answer = finance.get(download(made), follow=True)
    assert [str(one) for one in messages.get_messages(answer.wsgi_request)] == [ExportFileGone.title]
    assert again in answer.text
    with pytest.raises(ExportFileGone):
        services.open_file(made, actor=made.requested_by)

    finance.post(again, {})
    services.run_export(made.pk)
    assert len(fetch(finance, made.pk)) == len(content)


def test_old_files_go_and_their_rows_stay(world: World, finance: Client, exports_dir: Path, settings: Any) -> None:
    old, _ = export(finance)
    young, _ = export(finance, "entries")
    long_ago = old.created_at.timestamp() - settings.EXPORTS_KEPT_DAYS * 24 * 3600
    os.utime(services.file_of(old), (long_ago, long_ago))
    left = exports_dir / f"{uuid4()}.{uuid4()}.xyz"
    left.mkdir()
    os.utime(left, (long_ago, long_ago))

    services.sweep_exports()

    assert [file.name for file in exports_dir.iterdir()] == [services.file_of(young).name]
    assert old.sha256 in said(finance.get(page(old)))
    assert reverse("admin:reports_export_again", args=[old.pk]) in finance.get(page(old)).text


def test_there_is_nothing_to_fetch_before_it_is_done(world: World, finance: Client) -> None:
    made = ask(finance)

    assert "Download" not in finance.get(page(made)).text
    assert finance.get(download(made)).status_code == 302
    with pytest.raises(ExportNotDone):
        services.open_file(made, actor=made.requested_by)


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_progress_then_totals_checksum_and_button(world: World, finance: Client) -> None:
    made = ask(finance, query="currency=RWF")
    waiting = finance.get(page(made))
    assert "Waiting for a worker" in said(waiting) and "Currency: RWF" in said(waiting)
    assert finance.get(f"{progress(made)}?state=queued").status_code == 200

    Export.objects.filter(pk=made.pk).update(state="running", rows_expected=1_234_567, rows_written=345_678)
    changed = finance.get(f"{progress(made)}?state=queued")
    assert changed["HX-Refresh"] == "true" and not changed.content
    fragment = finance.get(f"{progress(made)}?state=running")
    assert "345,678 of 1,234,567 rows" in said(fragment) and 'value="27"' in fragment.text
    assert "<html" not in fragment.text

    Export.objects.filter(pk=made.pk).update(state="queued")
    services.run_export(made.pk)
    made.refresh_from_db()
    assert finance.get(f"{progress(made)}?state=running")["HX-Refresh"] == "true"
    done = said(finance.get(page(made)))
    (total,) = made.control_totals or []
    assert f"RWF {total['rows']} RWF {total['amount']:,}" in done
    assert made.sha256 in done and made.file_name in done and "Download" in done


def test_pages_run_no_inline_script(world: World, finance: Client) -> None:
    for url in (page(ask(finance)), dialog("entries", "kind=transfer")):
        answer = finance.get(url)
        assert "'unsafe-inline'" not in answer["Content-Security-Policy"].partition("script-src")[2].partition(";")[0]
        assert "<script>" not in answer.text and " onclick=" not in answer.text


def test_pages_ask_the_database_the_same_number_of_questions_whatever_there_is(
    world: World, finance: Client, statements: list[str]
) -> None:
    def counted(url: str) -> int:
        finance.get(url)
        statements.clear()
        assert finance.get(url).status_code == 200
        return len(statements)

    lists = [reverse("admin:reports_export_changelist"), reverse("admin:reports_entryline_changelist")]
    made, _ = export(finance)
    before = [counted(url) for url in [*lists, page(made)]]
    for query in ("state=failed", "currency=KES", "kind=transfer"):
        export(finance, query=query)

    assert [counted(url) for url in [*lists, page(made)]] == before


def test_the_list_of_entries_shows_both_columns_and_leads_to_their_journals(world: World, finance: Client) -> None:
    shown = finance.get(reverse("admin:reports_entryline_changelist"), {"q": str(world.reversed.pk)})

    assert shown.context["cl"].result_count == 2
    assert said(shown).count("777.00") >= 2
    assert reverse("admin:ledger_journal_change", args=[world.reversed.pk]) in shown.text
    entry = EntryLine.objects.filter(journal_id=world.reversed.pk, side=1).get()
    alone = finance.get(reverse("admin:reports_entryline_change", args=[entry.pk]))
    assert alone.status_code == 200 and "Debit KES 777.00" in said(alone)
    for missing in ("0-0", "1", "x-y", "1-" + "9" * 30, "١-١"):
        assert finance.get(reverse("admin:reports_entryline_change", args=[missing])).status_code == 404, missing


def test_the_view_of_entries_opens_no_door_to_write(world: World) -> None:
    for statement in (
        "INSERT INTO reports_entryline (id) VALUES ('1-1')",
        "UPDATE reports_entryline SET amount = 1",
        "DELETE FROM reports_entryline",
    ):
        with pytest.raises(Error), connection.cursor() as cursor:
            cursor.execute(statement)


def test_filters_are_kept_as_plain_names_and_values(world: World, finance: Client) -> None:
    made = ask(finance, query="state=failed&state=completed&p=3&o=1&all=&kind=&q=INV-1")

    assert json.loads(json.dumps(made.filters)) == {"state": "completed", "q": "INV-1"}
