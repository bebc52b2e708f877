"""``tgt init --json``: what was found, what was written, and what came of the first run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.output import machine
from tgt.tasks.card import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.outcome import RunReport
    from tgt.setup.plan import Plan
    from tgt.setup.prospects import Prospect
    from tgt.setup.timer import Timer


def document(
    plan: Plan,
    report: RunReport,
    coverage: Sequence[Prospect],
    timer: Timer | None,
    *,
    network: str,
    dry_run: bool,
) -> dict[str, Any]:
    state = "kept" if not plan.text else "planned" if dry_run else "written"
    undo = [f"rm {plan.target.path}"] if state == "written" else []
    return {
        "init": {
            "dryRun": dry_run,
            "telemetry": [
                {
                    "source": str(place.spec),
                    "directory": place.directory,
                    "files": place.files,
                    "tables": list(place.tables),
                    "newestAt": format_time(place.newest) if place.newest else None,
                    "problem": place.problem or None,
                }
                for place in plan.telemetry
            ],
            "settingsFile": {
                "path": str(plan.target.path),
                "state": state,
                "text": plan.text or None,
                "shadowedBy": str(plan.target.shadowed_by) if plan.target.shadowed_by else None,
            },
            "tasksDirectory": str(plan.settings.tasks_dir),
            "coverage": [
                {
                    "analyzer": each.analyzer,
                    "judgeable": each.judgeable,
                    "waiting": each.waiting,
                    "missing": each.missing or None,
                    "judgeableAt": format_time(each.at) if each.at else None,
                }
                for each in coverage
            ],
            "timer": _timer(timer),
            "dropIn": network or None,
            "undo": [*(timer.undo if timer else ()), *undo],
        },
        **machine.run(report),
    }


def _timer(timer: Timer | None) -> dict[str, Any] | None:
    if timer is None:
        return None
    return {
        "kind": str(timer.kind),
        "state": str(timer.state),
        "text": timer.text,
        "files": [str(path) for path in timer.files],
        "line": timer.line or None,
    }
