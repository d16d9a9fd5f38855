"""How orders, runs and their days are said."""

from datetime import date
from typing import Any

from core.admin import badge
from core.admin.pages import NOTHING
from schedules.models import OrderRun, OrderState, RunState, StandingOrder
from schedules.running import ACTOR, MOST_REFUSED
from schedules.services import how_often, is_of_staff
from staff.selectors import named, names

TONES = {OrderState.ACTIVE: "good", OrderState.PAUSED: "odd", OrderState.ENDED: "", OrderState.CANCELLED: ""}
RUN_TONES = {
    RunState.DUE: "busy", RunState.STUCK: "bad", RunState.COMPLETED: "good", RunState.FAILED: "bad",
    RunState.UNFUNDED: "bad", RunState.MISSED: "bad", RunState.SKIPPED: "", RunState.STOPPED: "",
}  # fmt: skip


def order_badge(order: StandingOrder) -> Any:
    return badge(order.get_state_display(), TONES[OrderState(order.state)])


def run_badge(run: OrderRun) -> Any:
    waits = run.state == RunState.DUE and run.tries
    return badge("waits for money" if waits else run.get_state_display(), RUN_TONES[RunState(run.state)])


def said_often(order: StandingOrder) -> str:
    often = how_often(order.frequency, order.every, order.month_day)
    return f"{often} on {order.start_on:%A}" if order.frequency == StandingOrder.Frequency.WEEKLY else often


def paused_by(order: StandingOrder) -> str:
    if order.paused_by == ACTOR:
        return f"Paused by itself after {MOST_REFUSED} refusals in a row; the customer may resume it"
    who = named(order.paused_by, names()) if is_of_staff(order.paused_by) else "the customer"
    return f"Paused by {who}"


def day(value: date | None) -> Any:
    return f"{value:%a %-d %b %Y}" if value else NOTHING
