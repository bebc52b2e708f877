"""``tgt report``: a look at telemetry without judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_words
from tgt.cli.request import parse_choice
from tgt.cli.telemetry import OPTIONS, Source, instant
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.report import Report

_TEXT, _MARKDOWN, _HTML = FORMATS = ("text", "markdown", "html")


def report(
    request: Request,
    *,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="How far back, such as 7d, or an instant."),
    ] = "7d",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="text, markdown, or html: one file with nothing from outside.",
            autocompletion=complete_words(FORMATS),
        ),
    ] = _TEXT,
    source: Source = None,
) -> ExitStatus:
    """Show what happened, beside the same length of time before.

    Conversations, calls, failures, latencies, tokens, error texts and loops, without judgement;
    and what could be judged, and what is missing for the rest. Nothing is written.
    """
    chosen = parse_choice("--format", form, FORMATS)
    first = instant(since, request.now)
    settings = request.settings({"TASKGEN_SOURCE": source}, OPTIONS)
    from tgt import diagnostics
    from tgt import report as core
    from tgt.output import progress

    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        whole = core.report(settings, first, request.now, progress=show)
    if request.json:
        from tgt.output import report_document

        request.reply_json(report_document.document(whole))
    else:
        for warning in whole.warnings:
            diagnostics.warn(warning)
        request.reply(_shown(request, whole, chosen))
    return ExitStatus.DEGRADED if whole.warnings else ExitStatus.OK


def _shown(request: Request, report: Report, form: str) -> str:
    if form == _MARKDOWN:
        from tgt.output import report_markdown

        return report_markdown.document(report)
    if form == _HTML:
        from tgt.output.html import report_page

        return report_page.page(report)
    from tgt.output import report_view

    return report_view.report(request.screen, report)
