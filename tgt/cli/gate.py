"""``tgt gate``: the question of a CI job, answered by the exit status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_words, severities
from tgt.cli.request import parse_choice
from tgt.cli.telemetry import OPTIONS, Since, Source, chosen
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.gate import Gate

FORMATS = ("text", "json", "junit", "sarif")
SEVERITIES = ("critical", "high", "medium", "low")


def gate(
    request: Request,
    *,
    since: Since = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            help="How bad a new problem must be.",
            autocompletion=complete_words(severities()),
        ),
    ] = "high",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="JUnit and SARIF are for what shows the results of a job.",
            autocompletion=complete_words(FORMATS),
        ),
    ] = "text",
    source: Source = None,
) -> ExitStatus:
    """Tell a CI job whether something bad is new.

    Looks at the time since --since (default: TASKGEN_WINDOW_MIN) and writes nothing. The exit
    status is 0 where nothing that bad is new, 10 where something is, and 11 where there is too
    little telemetry to tell.
    """
    form = parse_choice("--format", format_, FORMATS)
    form = "json" if request.json else form
    request.json = form == "json"
    least = parse_choice("--fail-on", fail_on, SEVERITIES)
    settings = request.settings(chosen(source, None, since, request.now), OPTIONS)
    from tgt import diagnostics
    from tgt import gate as core
    from tgt.output import progress
    from tgt.tasks.card import Severity

    with progress.display(no_color=request.no_color, quiet=form != "text") as show:
        result = core.gate(settings, request.now, Severity(least), progress=show)
    for warning in (*result.warnings, *result.notices):
        diagnostics.warn(warning)
    status = _status(result)
    if form == "json":
        from tgt.output import gate_document

        request.reply_json(gate_document.gate(result, status))
    elif form == "sarif":
        from tgt.output import gate_sarif

        request.reply_json(gate_sarif.gate(result, status, Path.cwd()))
    elif form == "junit":
        from tgt.output import gate_junit

        request.reply(gate_junit.gate(result))
    else:
        from tgt.output import gate_view

        ids = request.journal().ids() if result.problems else ()
        request.reply(gate_view.gate(request.screen, result, ids))
    return status


def _status(result: Gate) -> ExitStatus:
    """What was found weighs more than what could not be judged, and that more than a warning."""
    if result.problems:
        return ExitStatus.PROBLEM_FOUND
    if result.missing:
        return ExitStatus.TOO_LITTLE
    return ExitStatus.DEGRADED if result.warnings else ExitStatus.OK
