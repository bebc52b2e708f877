"""All that ``tgt stats`` shows, as one value and as a JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tgt.config import ANALYZERS
from tgt.output.machine import time_or_null
from tgt.tasks.state import Health

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tgt.config import Settings
    from tgt.schedule import Due
    from tgt.tasks.state import Pause, SchedulerState
    from tgt.tasks.statistics import Funnel, TaskStatistics, Verdicts


@dataclass(frozen=True)
class Overview:
    """``pause`` is None when there is none or it is over; ``saved`` counts the last hour, and
    ``funnels`` are keyed by days."""

    now: datetime
    settings: Settings
    state: SchedulerState
    due: Due
    pause: Pause | None
    is_running: bool
    saved: int
    remaining: int
    next_free: datetime | None
    tasks: TaskStatistics
    funnels: Mapping[int, Funnel]
    verdicts: Mapping[str, Verdicts]


def document(view: Overview) -> dict[str, Any]:
    state, settings, tasks = view.state, view.settings, view.tasks
    return {
        "stats": {
            "totalRuns": state.total_runs,
            "totalTasksGenerated": state.total_generated,
            "totalTasksSaved": state.total_saved,
            "lastRunDuration": state.last_run_duration_ms,
            "errors": state.errors,
            "lastRunAt": time_or_null(state.last_run_at),
            "isRunning": view.is_running,
            "nextRunDueAt": time_or_null(view.due.at),
            "overdue": view.due.overdue,
            "pause": None
            if view.pause is None
            else {
                "until": time_or_null(view.pause.until),
                "reason": view.pause.reason,
                "since": time_or_null(view.pause.since),
            },
            "config": {
                "enabled": settings.enabled,
                "intervalMinutes": settings.interval_min,
                "windowMinutes": settings.window_min,
                "minConfidence": settings.min_confidence,
                "maxTasks": settings.max_tasks,
                "maxTasksPerHour": settings.max_per_hour,
            },
            "rateLimit": {
                "tasksInLastHour": view.saved,
                "remainingQuota": view.remaining,
                "nextFreeAt": time_or_null(view.next_free),
            },
            "analyzers": {name: _analyzer(view, name) for name in ANALYZERS},
        },
        "tasks": {
            "total": tasks.total,
            "byStatus": tasks.by_status,
            "bySeverity": tasks.by_severity,
            "byType": tasks.by_type,
            "avgPriority": tasks.average_priority,
            "avgConfidence": tasks.average_confidence,
            "funnel": [
                {
                    "days": days,
                    "generated": funnel.generated,
                    "approved": funnel.approved,
                    "completed": funnel.completed,
                    "dismissed": funnel.dismissed,
                }
                for days, funnel in view.funnels.items()
            ],
            "byAnalyzer": {
                name: {
                    "approved": verdicts.approved,
                    "dismissed": verdicts.dismissed,
                    "undecided": verdicts.undecided,
                }
                for name, verdicts in view.verdicts.items()
            },
        },
    }


def _analyzer(view: Overview, name: str) -> dict[str, Any]:
    health = view.state.analyzers.get(name, Health())
    return {
        "enabled": name in view.settings.analyzers,
        "consecutiveFailures": health.consecutive_failures,
        "retryAt": time_or_null(health.retry_at),
        "lastError": health.last_error or None,
        "abstained": view.state.abstentions.get(name, 0),
    }
