"""``tgt sources``: what telemetry there is, and what it can be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.telemetry import OPTIONS, Since, Source, Window, beginning, chosen
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request


def sources(
    request: Request,
    *,
    source: Source = None,
    window: Window = None,
    since: Since = None,
) -> ExitStatus:
    """Show what telemetry is found, and which analyzers can use it.

    The first thing to run when cards are missing: all of it, or what --window or --since name.
    Nothing is written.
    """
    settings = request.settings(chosen(source, window, since, request.now), OPTIONS)
    from tgt import survey
    from tgt.output import sources_document

    since_then = beginning(window, since, settings, request.now)
    surveyed = survey.survey(settings, since_then, request.now)
    if request.json:
        request.reply_json(sources_document.document(surveyed))
    else:
        from tgt.output import sources_view

        request.reply(sources_view.sources(request.screen, surveyed, request.now))
    return ExitStatus.DEGRADED if any(one.problems for one in surveyed) else ExitStatus.OK
