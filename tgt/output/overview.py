"""All that ``tgt stats`` shows, as one value and as a JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tgt.config import ANALYZERS
from tgt.tasks.json_form import json_form
from tgt.tasks.state import Health

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tgt.config import Settings
    from tgt.schedule import Due
    from tgt.tasks.auto_approval import Kind
    from tgt.tasks.reputation import Record
    from tgt.tasks.state import Pause, SchedulerState
    from tgt.tasks.statistics import Funnel, TaskStatistics, Verdicts


class Quota(NamedTuple):
    """How one analyzer stands whose tasks are limited."""

    max_per_hour: int
    saved: int
    remaining: int
    next_free: datetime | None


@dataclass(frozen=True)
class Overview:
    """``pause`` is None when there is none or it is over; ``saved`` counts the last hour,
    ``quotas`` are those of single analyzers, ``mutes`` the mutes that count and ``muted_tasks`` the
    open tasks that they cover, ``funnels`` are keyed by days, and ``records`` say what lowers
    priorities. ``auto_approved`` counts what tgt approved in the last day, ``approvable`` are the
    kinds of which it may, each with how many people approved."""

    now: datetime
    settings: Settings
    state: SchedulerState
    due: Due
    pause: Pause | None
    is_running: bool
    saved: int
    remaining: int
    next_free: datetime | None
    quotas: Mapping[str, Quota]
    mutes: int
    muted_tasks: int
    tasks: TaskStatistics
    funnels: Mapping[int, Funnel]
    verdicts: Mapping[str, Verdicts]
    auto_approved: int
    approvable: Sequence[tuple[Kind, int]]
    records: Sequence[Record]

    @property
    def analyzers(self) -> tuple[str, ...]:
        """The names of tgt's analyzers, and of those of plug-ins and rules that are asked."""
        return tuple(dict.fromkeys((*ANALYZERS, *self.settings.asked)))


def document(view: Overview) -> dict[str, Any]:
    state, settings = view.state, view.settings
    stats = {
        "totalRuns": state.total_runs,
        "totalTasksGenerated": state.total_generated,
        "totalTasksSaved": state.total_saved,
        "lastRunDuration": state.last_run_duration_ms,
        "errors": state.errors,
        "lastRunAt": state.last_run_at,
        "lastError": state.last_error or None,
        "lastEventAt": state.last_event_at,
        "runsWithoutEvents": state.runs_without_events,
        "tasksMuted": state.muted,
        "mutes": view.mutes,
        "tasksDeferred": state.deferred,
        "isRunning": view.is_running,
        "nextRunDueAt": view.due.at,
        "overdue": view.due.overdue,
        "pause": view.pause,
        "config": {
            "enabled": settings.enabled,
            "intervalMinutes": settings.interval_min,
            "windowMinutes": settings.window_min,
            "minConfidence": settings.min_confidence,
            "maxTasks": settings.max_tasks,
            "maxTasksPerHour": settings.max_per_hour,
            "reputation": settings.reputation,
        },
        "rateLimit": {
            "tasksInLastHour": view.saved,
            "remainingQuota": view.remaining,
            "nextFreeAt": view.next_free,
            "analyzers": {
                name: {
                    "maxTasksPerHour": each.max_per_hour,
                    "tasksInLastHour": each.saved,
                    "remainingQuota": each.remaining,
                    "nextFreeAt": each.next_free,
                }
                for name, each in view.quotas.items()
            },
        },
        "autoApproval": {
            "maxTasksPerDay": settings.auto_approve,
            "tasksInLastDay": view.auto_approved,
            "remaining": max(0, settings.auto_approve - view.auto_approved),
            "kinds": [
                {
                    "type": kind.type,
                    "severity": kind.severity,
                    "confidenceFrom": kind.bounds[0],
                    "confidenceTo": kind.bounds[1],
                    "approved": count,
                }
                for kind, count in view.approvable
            ],
        },
        "analyzers": {name: _analyzer(view, name) for name in view.analyzers},
    }
    averages = {"average_priority": "avgPriority", "average_confidence": "avgConfidence"}
    tasks = json_form(view.tasks, **averages) | {
        "muted": view.muted_tasks,
        "funnel": tuple(view.funnels.values()),
        "byAnalyzer": view.verdicts,
        "reputation": tuple(record.document for record in view.records),
    }
    form: dict[str, Any] = json_form({"stats": stats, "tasks": tasks})
    return form


def _analyzer(view: Overview, name: str) -> dict[str, Any]:
    health = view.state.analyzers.get(name, Health())
    return {
        "enabled": name in view.settings.asked,
        **json_form(health),
        "lastError": health.last_error or None,
        "abstained": view.state.abstentions.get(name, 0),
    }
