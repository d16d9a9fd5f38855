"""Roles as code: what each may see and do. Nobody edits permissions; a right is changed here, reviewed and released.

A permission is ``app.action`` (``transactions.reverse``) or Django's own ``app.view_model``. Every permission is part
of one right, which says it in words: the back office and docs/support.md show this table as it is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.db import models
from django.utils.module_loading import import_string


class Role(models.TextChoices):
    SUPPORT = "support"
    SENIOR_SUPPORT = "senior_support", "Senior support"
    COMPLIANCE = "compliance"
    FINANCE = "finance", "Finance maker"
    FINANCE_CHECKER = "finance_checker", "Finance checker"
    OPERATIONS = "operations"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


PURPOSE = {
    Role.SUPPORT: "Answers customers: finds, explains, freezes, gives back smaller sums.",
    Role.SENIOR_SUPPORT: "Support that gives back more alone, and decides what support asks for.",
    Role.COMPLIANCE: "Suspends and freezes, decides how that ends, and who gets which role.",
    Role.FINANCE: "Keeps the books and asks for what changes them or what things cost.",
    Role.FINANCE_CHECKER: "Decides what finance and support ask for; asks for nothing of the kind.",
    Role.OPERATIONS: "Clears what hangs between us and the banks.",
    Role.AUDITOR: "Reads everything, changes nothing.",
    Role.ADMINISTRATOR: "Looks after staff, and may do much of what the others do, but never both sides of it.",
}

EVERYBODY = frozenset(Role)
WORKERS = EVERYBODY - {Role.AUDITOR}
BOSS = frozenset({Role.ADMINISTRATOR})
DESK = BOSS | {Role.SUPPORT, Role.SENIOR_SUPPORT}
BOOKS = BOSS | {Role.FINANCE, Role.FINANCE_CHECKER}


class Sums(NamedTuple):
    """How much a role does of something alone: minor units by role and currency. ``settings.ROLE_SUMS`` names those
    that are shown with the roles."""

    words: str
    by_role: dict[str, dict[str, int]]


class Right(NamedTuple):
    """Something that one may do, in words; ``looks``: it changes nothing, so that auditors have it too."""

    words: str
    permissions: frozenset[str]
    roles: frozenset[Role]
    looks: bool

    def given_to(self, role: str) -> bool:
        return role in self.roles


def see(words: str, permissions: Iterable[str], roles: Iterable[Role] = EVERYBODY) -> Right:
    return Right(words, frozenset(permissions), frozenset(roles) | {Role.AUDITOR}, looks=True)


def do(words: str, permissions: Iterable[str], roles: Iterable[Role]) -> Right:
    return Right(words, frozenset(permissions), frozenset(roles), looks=False)


RIGHTS: dict[str, list[Right]] = {
    "Customers and wallets": [
        see(
            "See customers, wallets, freezes, notifications",
            ["customers.view_customer", "wallets.view_wallet", "wallets.view_freeze",
             "notifications.view_notification"],
        ),
        see(
            "Reveal the phone number and address of one customer, with a reason, so many in 24 hours",
            ["customers.reveal"], DESK | {Role.COMPLIANCE, Role.OPERATIONS},
        ),
        see("See who revealed whom", ["customers.view_reveal"], BOSS | {Role.COMPLIANCE}),
        see("Read notes and their files", ["notes.view_note"]),
        do("Write notes", ["notes.write"], WORKERS),
        do("Withdraw what others noted", ["notes.withdraw_others"], BOSS | {Role.SENIOR_SUPPORT}),
        do(
            "Suspend customers and let them back in; whom compliance suspended, or who is for fraud or by order, only"
            " after compliance has approved it",
            ["customers.suspend"], DESK | {Role.COMPLIANCE},
        ),
        do(
            "Freeze and close wallets; lift freezes, those for fraud or by order with a second person",
            ["wallets.freeze"], DESK | {Role.COMPLIANCE},
        ),
        see("See the statements that were sent to customers", ["statements.view_statement"]),
        do("Make statements for customers", ["statements.make"], WORKERS),
        do(
            "View as a customer: read-only, for a while, and the customer is told", ["customers.view_as"],
            DESK | {Role.COMPLIANCE},
        ),
        see("See who viewed as which customer, and why", ["viewings.view_viewing"], BOSS | {Role.COMPLIANCE}),
    ],
    "Transactions": [
        see(
            "See transactions, messages of banks, canned answers, what is owed to us",
            ["transactions.view_transaction", "transactions.view_railmessage", "transactions.view_reversalreason",
             "transactions.view_receivable"],
        ),
        do(
            "Reverse: alone up to the sums below, of one transaction and in 24 hours; above them with a second person",
            ["transactions.reverse"], DESK,
        ),
        do(
            "Waive fees: of one transaction alone up to the sums below; above them, and for a customer for a time, with"
            " a second person",
            ["transactions.waive_fees"], DESK | {Role.FINANCE},
        ),
        see("See payment requests and what was paid on them", ["payments.view_paymentrequest",
                                                                   "payments.view_requestuse"]),
        do("Cancel payment requests, with a reason", ["payments.cancel"], DESK | {Role.COMPLIANCE}),
        see("See recalls and their reasons", ["recalls.view_recall", "recalls.view_recallreason"]),
        do("Open and withdraw recalls", ["recalls.open"], DESK),
        do(
            "Answer a recall for its recipient; above the same sums with a second person", ["recalls.answer"], DESK,
        ),
        see("See payouts, their items and who approves them", ["payouts.view_batch", "payouts.view_item"]),
        do("Stop payouts, with a reason", ["payouts.stop"], BOSS | {Role.OPERATIONS}),
        see("See standing orders and what became of their dates", ["schedules.view_standingorder",
                                                                    "schedules.view_orderrun"]),
        do(
            "Pause standing orders, with a reason, and let them go on", ["schedules.steer"], DESK | {Role.OPERATIONS},
        ),
        see("See unknown outcomes", ["transactions.view_unknownoutcome"]),
        do("Release what waits for a bank", ["transactions.release"], DESK | {Role.OPERATIONS}),
        do("Call off what no bank has heard of", ["transactions.call_off"], BOSS | {Role.OPERATIONS}),
        do("Void holds, with a reason", ["transactions.void"], DESK),
        do("Close odd messages of banks", ["transactions.close_message"], DESK | {Role.OPERATIONS}),
    ],
    "Books": [
        see(
            "See accounts, journals, entries, holds, trial balance, daily proofs and totals, papers",
            ["ledger.view_account", "ledger.view_journal", "ledger.view_periodclose", "reports.view_entryline",
             "reports.view_summedday", "reports.view_dailyproof", "reports.view_issuedpaper",
             "reports.view_holdline"],
            BOOKS,
        ),
        do("Issue papers of the books to sign: trial balance, ledger, proof", ["reports.issue_paper"], BOOKS),
        do("Sign off daily proofs", ["reports.sign_off"], BOOKS),
        do("Ask for closing periods", ["ledger.close_period"], BOSS | {Role.FINANCE}),
        do(
            "Ask for adjustments of the books, for collecting what is owed to us and for writing it off",
            ["transactions.adjust"], {Role.FINANCE},
        ),
        see("See revaluations of our positions", ["transactions.view_revaluation"]),
        do("Ask for revaluations of our positions", ["transactions.revalue"], BOSS | {Role.FINANCE}),
        see("Fetch finished exports of their own", ["reports.view_export", "reports.view_savedexport"], BOOKS),
        do("Export lists, by hand and by the clock", ["reports.export"], BOOKS),
        do("Export by which people are reached: phones, e-mails", ["reports.export_personal"], BOSS),
        see("See everybody's exports", ["reports.view_all_exports"], BOSS),
    ],
    "Rules": [
        see(
            "See limits, fees, waivers of fees and countries",
            ["customers.view_tierlimit", "customers.view_country", "transactions.view_feerule",
             "transactions.view_feewaiver"],
        ),
        see("See what other prices would have brought", ["transactions.view_pricetrial"], BOOKS),
        do("Try other prices on what went through", ["transactions.try_price"], BOOKS),
        do(
            "Ask for other fees, and for what a reversal does with them", ["transactions.change_fees"],
            BOSS | {Role.FINANCE},
        ),
        do("Ask for other limits", ["customers.change_limits"], BOSS | {Role.FINANCE}),
        see("See the calendars of business days", ["schedules.view_holiday"]),
        do(
            "Ask for entries in the calendars of business days", ["schedules.change_calendar"],
            BOSS | {Role.FINANCE, Role.OPERATIONS},
        ),
    ],
    "Work queues": [
        see("See what waits, as far as they see what it is about", ["staff.view_work"]),
        see("See failed jobs", ["core.view_failedjob"], BOSS | {Role.OPERATIONS}),
        do("Start failed jobs again, or close them", ["core.retry_job"], BOSS | {Role.OPERATIONS}),
    ],
    "Exchange": [
        see(
            "See exchange rates, providers, margins, caps, quotes and their routes; ask what a conversion would cost",
            ["fx.view_rate", "fx.view_ratesource", "fx.view_rateload", "fx.view_provider", "fx.view_providerterms",
             "fx.view_margin", "fx.view_exposurecap", "fx.view_routingdecision", "fx.view_quote"],
        ),
        do("Load files of exchange rates", ["fx.load"], BOSS | {Role.FINANCE, Role.OPERATIONS}),
        do(
            "Take providers of currency out of routing, and back in", ["fx.switch"],
            BOSS | {Role.FINANCE, Role.OPERATIONS},
        ),
        do(
            "Ask for other terms of providers, other margins, exposure caps, sources of rates; add providers",
            ["fx.change_terms"], BOSS | {Role.FINANCE},
        ),
    ],
    "Deciding what others ask for": [
        see("See requests", ["staff.view_approval"]),
        do("Withdraw requests of their own", ["staff.request"], WORKERS),
        do(
            "Have an inbox of what waits for a decision", ["staff.approve"],
            BOSS | {Role.SENIOR_SUPPORT, Role.COMPLIANCE, Role.FINANCE_CHECKER},
        ),
        do(
            "Decide reversals", ["transactions.approve_reversal"],
            BOSS | {Role.SENIOR_SUPPORT, Role.FINANCE_CHECKER},
        ),
        do(
            "Decide on lifting freezes for fraud or by order", ["wallets.approve_unfreeze"],
            BOSS | {Role.COMPLIANCE, Role.FINANCE_CHECKER},
        ),
        do(
            "Let back in whom compliance suspended, or who is for fraud or by order, and decide when others ask for it",
            ["customers.approve_reinstatement"], {Role.COMPLIANCE},
        ),
        do(
            "Decide what colleagues ask for about customers linked to them: suspending, letting back in",
            ["customers.approve_standing"], BOSS | {Role.SENIOR_SUPPORT, Role.COMPLIANCE},
        ),
        do(
            "Decide whether a recipient owes us what they no longer have", ["transactions.approve_receivable"],
            {Role.FINANCE_CHECKER},
        ),
        do(
            "Decide adjustments, collecting and writing off", ["transactions.approve_adjustment"],
            BOSS | {Role.FINANCE_CHECKER},
        ),
        do(
            "Decide revaluations of our positions", ["transactions.approve_revaluation"],
            BOSS | {Role.FINANCE_CHECKER},
        ),
        do("Decide on closing periods", ["ledger.approve_close"], BOSS | {Role.FINANCE_CHECKER}),
        do("Decide fees and reasons to reverse", ["transactions.approve_fees"], BOSS | {Role.FINANCE_CHECKER}),
        do(
            "Decide waivers of fees", ["transactions.approve_waiver"],
            BOSS | {Role.SENIOR_SUPPORT, Role.FINANCE_CHECKER},
        ),
        do("Decide limits", ["customers.approve_limits"], BOSS | {Role.FINANCE_CHECKER}),
        do("Decide entries in calendars", ["schedules.approve_calendar"], BOSS | {Role.FINANCE_CHECKER}),
        do("Decide what exchange costs and where rates come from", ["fx.approve_terms"], BOSS | {Role.FINANCE_CHECKER}),
        do("Decide who gets in and which role they have", ["staff.approve_access"], BOSS | {Role.COMPLIANCE}),
    ],
    "Staff and oversight": [
        do(
            "Look after one's own sign-in: where one is signed in, and with what",
            ["staff.view_session", "staff.end_session"], EVERYBODY,
        ),
        do(
            "Say which customers are oneself, or close to one, and see what is on record of that",
            ["customers.view_stafflink", "customers.declare_link"], EVERYBODY,
        ),
        see("See everybody's links to customers", ["customers.view_all_links"], BOSS | {Role.COMPLIANCE}),
        do("Record and end colleagues' links to customers", ["customers.record_link"], BOSS | {Role.COMPLIANCE}),
        see("See this table", ["staff.view_roles"]),
        see("See the audit trail", ["core.view_auditrecord"]),
        see("See the seals of the hash chain", ["evidence.view_block"]),
        see("See the checks of the hash chain", ["evidence.view_check"], BOOKS | {Role.OPERATIONS}),
        see("See staff, and what was done to their accounts", ["staff.view_user"], BOSS),
        do(
            "Look after staff: ask for roles and access; end access and sessions, send links for new passwords, lift"
            " lockouts",
            ["staff.manage"], BOSS,
        ),
    ],
}  # fmt: skip


def role_sums() -> list[Sums]:
    """What the apps above have to say about sums."""
    return [one for path in settings.ROLE_SUMS for one in import_string(path)]


PERMISSIONS: dict[str, frozenset[str]] = {
    role: frozenset(
        permission
        for rights in RIGHTS.values()
        for right in rights
        if right.given_to(role)
        for permission in right.permissions
    )
    for role in Role
}
