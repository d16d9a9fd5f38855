"""G30: work that kills or breaks whoever takes it up ends in the queue of operations, and stops nobody else's."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db.models.functions import Now
from django.urls import reverse

from core.models import AuditRecord, FailedJob
from notifications.models import Delivery
from notifications.services import Notice, notify_many
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.factories import CustomerFactory
from tests.fakes.poison import BREAKS, KILLS
from tests.fakes.rail_work import until
from tests.fakes.worker import environment, running_worker
from tests.transactions.test_worker_process import send

__all__ = ["send"]
OTHERS = 30
SWEEP = "notifications.tasks.sweep_deliveries"
State = FailedJob.State


def told(**customer: Any) -> Delivery:
    facts = {"amount": "RWF 1,500", "fee": "", "counterparty": "Eric H.", "receipt": "7K2M9QXW4R"}
    notify_many([Notice(uuid4(), CustomerFactory(**customer).pk, None, "money_received", facts)])
    return Delivery.objects.latest("pk")


def mails_to(folder: Path, address: str) -> int:
    return sum(file.read_text().count(f"To: {address}") for file in folder.glob("*") if folder.exists())


def test_poison_ends_in_the_queue_and_is_done_once_when_it_is_mended_and_retried(
    bank: Any, live_server: Any, send: Any, tmp_path: Path
) -> None:
    """A real worker, whose processes are killed by one mail and broken by another, three times each."""
    kills, breaks = told(email=KILLS), told(email=BREAKS)
    others = [told(email=f"other{n}@example.com") for n in range(OTHERS)]
    folder, log = tmp_path / "mail", tmp_path / "worker.log"
    env = environment(bank, live_server.url, folder)
    poisoned = env | {"EMAIL_BACKEND": "tests.fakes.poison.PoisonedMail"}
    pending = Delivery.objects.filter(state=Delivery.State.PENDING)

    def worked_off() -> bool:
        pending.update(due_at=Now())  # leases of the dead end at once
        send(SWEEP)
        return not pending.exists()

    with running_worker(poisoned, log):
        until(worked_off, seconds=60)

    assert {one.state for one in Delivery.objects.filter(pk__in=[one.pk for one in others])} == {Delivery.State.SENT}
    waiting = {job.subject_id: job for job in FailedJob.objects.filter(state=State.WAITING)}
    assert set(waiting) == {str(kills.pk), str(breaks.pk)}
    assert {(job.kind, job.attempts, job.times) for job in waiting.values()} == {("email", 3, 1)}
    killed, broken = waiting[str(kills.pk)], waiting[str(breaks.pk)]
    assert (killed.error, killed.trace) == ("worker_lost", "")
    assert broken.error == "RuntimeError"
    assert "tests/fakes/poison.py" in broken.trace and "notifications/services.py" in broken.trace
    assert BREAKS not in f"{broken.trace} {broken.arguments}", "who it is to is not kept"
    assert mails_to(folder, KILLS) == mails_to(folder, BREAKS) == 0

    operations = client_of(member(Role.OPERATIONS))
    queue = reverse("admin:core_failedjob_changelist", query={"state": "waiting"})
    assert set(operations.get(queue).context["cl"].result_list) == {killed, broken}
    for job in (killed, broken):
        answer = operations.post(
            reverse("admin:core_failedjob_retry", args=[job.pk]), {"reason": "mail server mended"}, follow=True
        )
        assert "It is being done again." in answer.text
    assert list(operations.get(queue).context["cl"].result_list) == []
    with running_worker(env, log):
        until(worked_off, seconds=30)
        send(SWEEP)

    assert mails_to(folder, KILLS) == mails_to(folder, BREAKS) == 1
    assert all(mails_to(folder, f"other{n}@example.com") == 1 for n in range(OTHERS))
    assert "sent" in operations.get(reverse("admin:core_failedjob_change", args=[broken.pk])).text.lower()
    for record in AuditRecord.objects.filter(action="retry_job"):
        assert record.before["attempts"] == 3 and record.after == {"state": "retried", "attempts": 0}
        assert (record.role, record.reason) == ("operations", "mail server mended")
