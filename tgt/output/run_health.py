"""What keeps tasks from coming, in a line each: silence must not be taken for health."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tgt import schedule
from tgt.output import words
from tgt.tasks.state import SchedulerState


class Cadence(NamedTuple):
    """How often runs are meant to happen, and whether at all."""

    interval_min: int
    enabled: bool


def notes(state: SchedulerState, cadence: Cadence, now: datetime) -> list[str]:
    """Nothing while all is well."""
    pause = state.pause.as_of(now) if state.pause else None
    if not cadence.enabled:
        return ["Generation is disabled: TASKGEN_ENABLED=0"]
    if pause is not None:
        until = f"until {words.clock(pause.until)}" if pause.until else "until tgt resume"
        return [f"Generation is paused {until}" + (f": {pause.reason}" if pause.reason else "")]
    lines = []
    due = schedule.due(state.last_run_at, cadence.interval_min, now, active=True)
    if due.overdue:
        lines.append(f"The last run was {words.age(state.last_run_at, now)}: look at the timer")
    if state.last_error:
        lines.append(f"The last run failed: {state.last_error}")
    elif state.runs_without_events >= schedule.BLIND_AFTER:
        newest = state.last_event_at
        since = f"; the newest is of {words.age(newest, now)}" if newest else ""
        lines.append(f"The last {state.runs_without_events} runs found no events{since}")
    lines += [
        f"{name} fails: {health.last_error or 'see tgt stats'}"
        for name, health in state.analyzers.items()
        if health.consecutive_failures
    ]
    if state.deferred and not state.last_error:
        lines.append(f"{words.plural(state.deferred, 'more finding')} held back by the last run")
    return lines
