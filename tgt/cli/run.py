"""``tgt run``: one analysis cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import choices_of_analyzers, complete_list
from tgt.cli.telemetry import OPTIONS, Since, Source, Window, chosen
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request

# Values are checked with all other settings, so that one message serves options and variables.
Value = str | None
_OPTIONS = OPTIONS | {
    "TASKGEN_MIN_CONFIDENCE": "--min-confidence",
    "TASKGEN_MAX_TASKS": "--max-tasks",
    "TASKGEN_ANALYZERS": "--analyzers",
}


def run(
    request: Request,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing at all; say what would be saved.")
    ] = False,
    source: Source = None,
    window: Window = None,
    since: Since = None,
    min_confidence: Annotated[
        Value,
        typer.Option(metavar="X", help="0 to 1 (TASKGEN_MIN_CONFIDENCE, default 0.7)."),
    ] = None,
    max_tasks: Annotated[
        Value, typer.Option(metavar="N", help="Tasks to save (TASKGEN_MAX_TASKS, default 10).")
    ] = None,
    analyzers: Annotated[
        Value,
        typer.Option(
            metavar="A,B",
            help="Analyzers to run (TASKGEN_ANALYZERS, default all).",
            autocompletion=complete_list(choices_of_analyzers),
        ),
    ] = None,
) -> ExitStatus:
    """Analyze the last window of telemetry once.

    What is wrong becomes a task, unless a task covers it already or the quota is used up.
    """
    settings = request.settings(
        {
            **chosen(source, window, since, request.now),
            "TASKGEN_MIN_CONFIDENCE": min_confidence,
            "TASKGEN_MAX_TASKS": max_tasks,
            "TASKGEN_ANALYZERS": analyzers,
        },
        _OPTIONS,
    )
    from tgt import cycle, diagnostics
    from tgt.output import machine, progress

    request.failure = machine.run_failure
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        report = cycle.run(settings, request.now, dry_run=dry_run, progress=show)
    for warning in (*report.warnings, *report.notices):
        diagnostics.warn(warning)
    if request.json:
        request.reply_json(machine.run(report))
    else:
        from tgt.output import run_view

        ids = request.journal().ids() if report.decisions else ()
        request.reply(run_view.run(request.screen, report, ids))
    return ExitStatus.DEGRADED if report.degraded else ExitStatus.OK
